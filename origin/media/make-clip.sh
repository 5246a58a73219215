#!/bin/sh
# Makes the demonstration clip under vod/demo/ beside this script. Its output is committed, so only somebody who
# wants another clip runs it. Needs ffmpeg with libx264 and libmp3lame (Debian: apt-get install ffmpeg).
#
#   sh origin/media/make-clip.sh
#
# The picture is ffmpeg's testsrc2 (it shows the running time), the sound a sine that climbs one semitone a second
# through an octave, so that a seek or a lost segment can be seen and heard. What it makes:
#   master.m3u8, media_N.m3u8   HLS, two video renditions (320x180, 640x360) and one audio group
#   manifest.mpd                DASH over the very same CMAF segments
#   init-N.mp4, segment-N-*.m4s N = 0: 180p, 1: 360p, 2: audio; two seconds each
#   demo.mp4                    360p with sound, index in front (progressive download)
#   demo.mp3                    the sound alone
set -eu

directory=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/vod/demo
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory"

# A keyframe every 50 frames at 25 frames a second, and only there: renditions switch at every segment border.
# No B-frames: presentation starts at exactly zero in both renditions.
# The sound ends a little before the picture: the encoder's padding would else make a thirteenth, empty segment.
ffmpeg -hide_banner -loglevel warning -y \
    -f lavfi -i "testsrc2=size=640x360:rate=25:duration=24" \
    -f lavfi -i "aevalsrc='0.2*sin(2*PI*220*pow(2,floor(mod(t,13))/12)*t)':s=48000:d=23.94" \
    -filter_complex "[0:v]split=2[full][half];[half]scale=320:180[low]" \
    -map "[low]" -map "[full]" -map 1:a \
    -c:v libx264 -preset veryslow -profile:v main -pix_fmt yuv420p -bf 0 \
    -g 50 -keyint_min 50 -sc_threshold 0 \
    -b:v:0 110k -maxrate:v:0 130k -bufsize:v:0 220k \
    -b:v:1 300k -maxrate:v:1 360k -bufsize:v:1 600k \
    -c:a aac -b:a 64k -ac 2 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
    -f dash -seg_duration 2 -use_template 1 -use_timeline 1 -hls_playlist 1 \
    -adaptation_sets "id=0,streams=v id=1,streams=a" \
    -init_seg_name 'init-$RepresentationID$.mp4' \
    -media_seg_name 'segment-$RepresentationID$-$Number%03d$.m4s' \
    manifest.mpd

# The muxer stamps playlists with the moment of their making and does not call them complete from the start.
sed -i -e '/^#EXT-X-PROGRAM-DATE-TIME/d' \
    -e 's/^#EXT-X-MEDIA-SEQUENCE/#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n&/' media_*.m3u8
sed -i -e 's/NAME="audio_2"/NAME="Tone",AUTOSELECT=YES/' -e 's/^#EXT-X-VERSION.*/&\n#EXT-X-INDEPENDENT-SEGMENTS/' \
    master.m3u8

# The progressive files hold the very same encodings, so nothing is encoded twice.
cat init-1.mp4 segment-1-*.m4s >video.joined.mp4
cat init-2.mp4 segment-2-*.m4s >audio.joined.mp4
ffmpeg -hide_banner -loglevel warning -y -i video.joined.mp4 -i audio.joined.mp4 -map 0:v -map 1:a -c copy \
    -fflags +bitexact -movflags +faststart demo.mp4
ffmpeg -hide_banner -loglevel warning -y -i audio.joined.mp4 -c:a libmp3lame -b:a 64k -fflags +bitexact demo.mp3
rm video.joined.mp4 audio.joined.mp4

//! How urgent a response is (RFC 9218 section 4.1): by what it is, and by what the player says.

use super::{Cmcd, ObjectType};
use crate::media::MediaClass;

/// Media in the buffer below which a player is about to stall: half a usual segment.
const LOW_BUFFER: std::time::Duration = std::time::Duration::from_secs(2);

/// An urgency: 0 is the most urgent, 7 the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency(u8);

impl Urgency {
    /// Without what nothing plays: playlists, initialisation segments, keys; and everything for who has nothing to play.
    const FIRST: Self = Self(1);
    /// What is small and missed at once: audio, captions, parts at the live edge, and everything for who has little left to
    /// play.
    const SOON: Self = Self(2);
    /// Everything else, as in RFC 9218.
    const USUAL: Self = Self(3);

    /// The value of a `Priority` field; none where it says what is the rule.
    #[must_use]
    pub fn to_field(self) -> Option<&'static str> {
        match self.0 {
            1 => Some("u=1"),
            2 => Some("u=2"),
            _ => None,
        }
    }
}

/// What a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its class.
    pub class: Option<MediaClass>,
    /// Whether it is sound alone.
    pub audio: bool,
    /// Whether it is a part that players ask for as soon as it is there: they have no more than a few of them in hand.
    pub at_live_edge: bool,
}

/// The urgency of a response. What a player says of the object goes before what its type says; what it says of itself, and
/// being at the live edge, only ever makes it more urgent.
#[must_use]
pub fn urgency(cmcd: Option<&Cmcd>, content: Content) -> Urgency {
    let is_part = content.at_live_edge && content.class == Some(MediaClass::Segment);
    let told = by_kind(cmcd, content);
    if is_part { told.min(Urgency::SOON) } else { told }
}

fn by_kind(cmcd: Option<&Cmcd>, content: Content) -> Urgency {
    let of_class = match content.class {
        Some(MediaClass::Playlist(_) | MediaClass::Init) => Urgency::FIRST,
        Some(MediaClass::Segment) if content.audio => Urgency::SOON,
        Some(MediaClass::Segment | MediaClass::Progressive | MediaClass::Audio) | None => Urgency::USUAL,
    };
    let Some(cmcd) = cmcd else { return of_class };
    let of_object = match cmcd.object_type {
        Some(ObjectType::Manifest | ObjectType::Init | ObjectType::Key) => Urgency::FIRST,
        Some(ObjectType::Audio | ObjectType::Text) => Urgency::SOON,
        Some(ObjectType::Video | ObjectType::Muxed) => Urgency::USUAL,
        Some(ObjectType::Other) | None => of_class,
    };
    if cmcd.startup || cmcd.buffer_starved {
        return of_object.min(Urgency::FIRST);
    }
    match cmcd.buffer_length {
        Some(buffer) if buffer < LOW_BUFFER => of_object.min(Urgency::SOON),
        _ => of_object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PlaylistKind;

    #[test]
    fn what_players_wait_for_goes_first() {
        let playlist = Some(MediaClass::Playlist(PlaylistKind::Hls));
        let segment = Some(MediaClass::Segment);
        let check = |said: Option<&str>, class: Option<MediaClass>, audio: bool, expected: Option<&str>| {
            let cmcd = said.map(|said| {
                let fields = [(super::super::FIELDS[0].clone(), said.parse().unwrap())].into_iter().collect();
                Cmcd::of(None, &fields).unwrap()
            });
            let content = Content { class, audio, at_live_edge: false };
            assert_eq!(urgency(cmcd.as_ref(), content).to_field(), expected, "{said:?} {content:?}");
            // Of parts at the live edge nothing is less urgent than sound.
            let part = Content { at_live_edge: true, ..content };
            let expected = if class == segment { expected.or(Some("u=2")) } else { expected };
            assert_eq!(urgency(cmcd.as_ref(), part).to_field(), expected, "{said:?} {part:?}");
        };
        check(None, playlist, false, Some("u=1"));
        check(None, Some(MediaClass::Init), true, Some("u=1"));
        check(None, segment, true, Some("u=2"));
        check(None, segment, false, None);
        check(None, None, false, None);
        check(Some("ot=a"), segment, false, Some("u=2"));
        check(Some("ot=v"), segment, true, None);
        check(Some("ot=i"), segment, false, Some("u=1"));
        check(Some("ot=k"), None, false, Some("u=1"));
        check(Some("br=5"), playlist, false, Some("u=1"));
        check(Some("ot=v,su"), segment, false, Some("u=1"));
        check(Some("ot=v,bs"), segment, false, Some("u=1"));
        check(Some("ot=v,bl=1900"), segment, false, Some("u=2"));
        check(Some("ot=v,bl=2000"), segment, false, None);
        check(Some("ot=m,bl=100"), segment, false, Some("u=1"));
    }
}

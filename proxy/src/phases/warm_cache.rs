//! Asks the cache for what operators want warmed, in nobody's stead.

use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, header};

use super::own_request::{OwnRequest, Stead};
use super::serve_object::PIECE;
use crate::cache::engine::{Answer, Object, Outcome, Presence, Reader, SliceCounts};
use crate::cache::key::Scheme;
use crate::edge_proxy::EdgeProxy;
use crate::media::{MAX_PLAYLIST_BYTES, MediaClass, PlaylistKind, USEFUL_FIRST_BYTES, recognise};
use crate::warm::{Asker, Kept, Reading, Reply, Room, WarmSite, Warmed};

const TOO_LARGE: &str = "it is too large to be stored";

/// Longest body that is read: no film in the best quality has more.
const MAX_TARGET_BYTES: u64 = 64 << 30;

/// Asks on behalf of operators.
pub(crate) struct Warming(pub(crate) Weak<EdgeProxy>);

impl Asker for Warming {
    fn ask<'a>(&'a self, site: &'a WarmSite, target: &'a str, reading: &'a Reading) -> BoxFuture<'a, Reply> {
        async move {
            match self.0.upgrade() {
                Some(proxy) => ask(&proxy, site, target, reading).await,
                None => failed("the node stops"),
            }
        }
        .boxed()
    }

    fn room(&self) -> Room {
        self.0.upgrade().map_or_else(Room::default, |proxy| {
            // In this order: figures bring the store up to date.
            Room { bytes: proxy.cache.figures().bytes, capacity: proxy.cache.capacity() }
        })
    }

    fn kept(&self, site: &WarmSite, target: &str) -> Kept {
        let proxy = self.0.upgrade();
        let presence = proxy.and_then(|proxy| Some(prepare(&proxy, site, target).ok()?.presence(&proxy)));
        match presence {
            Some(Presence::Whole) => Kept::Whole,
            Some(Presence::Arriving) => Kept::Arriving,
            Some(Presence::Slices(SliceCounts { stored, all })) => Kept::Slices { stored, all },
            Some(Presence::Nothing) | None => Kept::Nothing,
        }
    }
}

/// The request for a target, or why there is none.
fn prepare(proxy: &EdgeProxy, site: &WarmSite, target: &str) -> Result<OwnRequest, String> {
    let mut fields = HeaderMap::new();
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let authority = HeaderValue::from_str(&site.authority).map_err(|_| "its host cannot be asked for")?;
    fields.insert(header::HOST, authority);
    let scheme = if site.tls { Scheme::Https } else { Scheme::Http };
    let stead = Stead { snapshot: proxy.snapshot.load_full(), scheme, address: None, fields };
    OwnRequest::prepare(proxy, &stead, target, None).map_err(|why| why.to_string())
}

async fn ask(proxy: &EdgeProxy, site: &WarmSite, target: &str, reading: &Reading) -> Reply {
    let request = match prepare(proxy, site, target) {
        Ok(request) => request,
        Err(why) => return failed(&why),
    };
    let path = request.matched.path.clone();
    match request.answer(proxy).await {
        Answer::Object { object, reader, outcome } => {
            reading.expect(object.meta.body_length.or_else(|| object.body.length()));
            read(&path, &object, reader, outcome, reading).await
        }
        Answer::Pass(passage) => failed(&format!("it goes past the cache: {passage:?}")),
        Answer::GatewayTimeout => failed("nothing is stored"),
        Answer::Failed(error) => failed(&error.reason),
    }
}

/// Reads a body to its end: what is not read may not be kept. One that will not be kept has no end that matters, and
/// perhaps none at all: it is read as long as it may be a playlist to follow.
async fn read(path: &str, object: &Arc<Object>, mut reader: Reader, outcome: Outcome, reading: &Reading) -> Reply {
    let (mut kept, mut total) = (Some(Vec::new()), 0_u64);
    loop {
        match reader.next(PIECE).await {
            Ok(Some(bytes)) => {
                total += bytes.len() as u64;
                reading.came(bytes.len());
                kept = kept.filter(|kept: &Vec<u8>| kept.len() + bytes.len() <= MAX_PLAYLIST_BYTES);
                kept.iter_mut().for_each(|kept| kept.extend_from_slice(&bytes));
                // What is no playlist by its first bytes is of no use here.
                kept = kept.filter(|kept| kept.len() < USEFUL_FIRST_BYTES || class(path, object, Some(kept)).is_some());
                if total > MAX_TARGET_BYTES {
                    return failed("it has no end within 64 GiB");
                }
                if kept.is_none() && (matches!(outcome, Outcome::Unshared(_)) || object.body.is_windowed()) {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return failed(&error.to_string()),
        }
    }
    let status = object.meta.status;
    let warmed = match outcome {
        _ if !status.is_success() => Warmed::Failed(format!("{} by the origin", status.as_u16())),
        Outcome::Hit | Outcome::HitOnDisk | Outcome::Stale(_) => Warmed::Present,
        Outcome::Miss { .. } if object.body.is_windowed() => Warmed::Failed(TOO_LARGE.to_owned()),
        Outcome::Miss { stored: Ok(()), .. } | Outcome::Revalidated { .. } => Warmed::Fetched(total),
        Outcome::Miss { .. } => Warmed::Failed(TOO_LARGE.to_owned()),
        Outcome::Unshared(why) => Warmed::Failed(format!("it is not stored: {}", why.label())),
    };
    let too_large = total > MAX_PLAYLIST_BYTES as u64;
    let playlist = kept.and_then(|body| class(path, object, Some(&body)).map(|kind| (kind, body)));
    match (playlist, class(path, object, None)) {
        (None, Some(_)) if too_large && status.is_success() => failed("the playlist is too large to be followed"),
        (playlist, _) => Reply { warmed, playlist },
    }
}

/// Whether it is a playlist, by its type and as many bytes as there are.
fn class(path: &str, object: &Object, body: Option<&[u8]>) -> Option<PlaylistKind> {
    let body = body.map(|body| &body[..body.len().min(USEFUL_FIRST_BYTES)]);
    match recognise(object.meta.headers.get(header::CONTENT_TYPE), path, body) {
        Some(MediaClass::Playlist(kind)) => Some(kind),
        _ => None,
    }
}

fn failed(reason: &str) -> Reply {
    Reply::failed(reason)
}

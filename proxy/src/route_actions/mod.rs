//! What a route does with a request beside sending it to its pool: templates, rewrites, changed fields, splits,
//! copies for another pool, and WebSocket handshakes.
//!
//! Everything here but the sending of copies is pure: what it needs of a request comes in as [`Facts`] or as the
//! parts it looks at. It knows neither phases nor sessions; which route a request takes is for `routing` to say.

mod cors;
mod fields;
mod mirror;
mod rewrite;
mod split;
mod template;
mod websocket;

pub use cors::{preflight, withhold};
pub use fields::{HeaderSection, apply, is_empty};
pub use mirror::{MIRROR_FIELD, MirrorSender, is_chosen};
pub use rewrite::origin_target;
pub use split::choose_part;
pub use template::{Facts, field_value, is_personal, location};
pub use websocket::{Upgrade, upgrade};

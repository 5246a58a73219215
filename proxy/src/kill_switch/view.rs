//! Switches as operators see them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tidegate_config::document::TimeText;
use tidegate_config::ids::RouteName;
use tidegate_config::model::KillSwitchAction;

use super::ActiveSwitch;

impl ActiveSwitch {
    /// The switch with what remains of its time; its action is written as in documents.
    #[must_use]
    pub fn to_json(&self, now: SystemTime) -> Value {
        json!({
            "id": self.id,
            "switched_by": self.switched_by.label(),
            "site": self.site.as_str(),
            "routes": self.switch.routes.iter().map(RouteName::as_str).collect::<Vec<_>>(),
            "action": action(&self.switch.action),
            "until": TimeText(whole_seconds(self.switch.until)).to_text(),
            "remaining_seconds": self.switch.until.duration_since(now).unwrap_or_default().as_secs(),
            "reason": self.switch.reason,
        })
    }
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn action(action: &KillSwitchAction) -> Value {
    match action {
        KillSwitchAction::BypassCache => json!("bypass_cache"),
        KillSwitchAction::Maintenance => json!("maintenance"),
        KillSwitchAction::Block(status) => json!({ "block": { "status": status.as_u16() } }),
        KillSwitchAction::PinOrigin { pool, origin } => {
            json!({ "pin_origin": { "origin_pool": pool.as_str(), "origin": origin.as_str() } })
        }
    }
}

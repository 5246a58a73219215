//! Switches as operators see them.

use std::time::SystemTime;

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
            "until": TimeText(self.switch.until).to_text(),
            "remaining_seconds": self.switch.remaining_seconds(now),
            "reason": self.switch.reason,
        })
    }
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

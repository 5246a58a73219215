//! Kill switches on the operator's listener: shown, switched on, switched off.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;
use crate::kill_switch::{NotSwitchedOff, Order};

/// Path below which each switch has its own.
const PREFIX: &str = "/kill-switches/";

/// All that are on.
pub(super) fn list(state: &AdminState, _: &Call<'_>) -> Answer {
    let now = SystemTime::now();
    let switches: Vec<Value> = state.kill_switches.list().iter().map(|switch| switch.to_json(now)).collect();
    answer::json_value(StatusCode::OK, &json!({ "kill_switches": switches }))
}

/// Switches one on.
pub(super) fn switch_on(state: &AdminState, call: &Call<'_>) -> Answer {
    let now = SystemTime::now();
    let order = Order::parse(&call.body).and_then(|order| order.check(&state.kill_switches, now));
    let (site, switch) = match order {
        Ok(checked) => checked,
        Err(message) => return answer::error(StatusCode::BAD_REQUEST, "invalid_kill_switch", &message),
    };
    match state.kill_switches.switch_on(site, switch, now) {
        Ok(switch) => answer::json_value(StatusCode::CREATED, &switch.to_json(now)),
        Err(error) => answer::error(StatusCode::CONFLICT, "too_many_kill_switches", &error.to_string()),
    }
}

/// Switches one off.
pub(super) fn switch_off(state: &AdminState, call: &Call<'_>) -> Answer {
    let id = call.path.strip_prefix(PREFIX).unwrap_or_default();
    match state.kill_switches.switch_off(id) {
        Ok(switch) => answer::json_value(StatusCode::OK, &switch.to_json(SystemTime::now())),
        Err(error @ NotSwitchedOff::Unknown) => {
            answer::error(StatusCode::NOT_FOUND, "unknown_kill_switch", &error.to_string())
        }
        Err(error @ NotSwitchedOff::OfDocument) => {
            answer::error(StatusCode::CONFLICT, "kill_switch_of_document", &error.to_string())
        }
    }
}

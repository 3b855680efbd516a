//! Plans, events and outcomes as values for programs.

use std::time::Duration;

use mlfn_core::{Change, Plan};
use mlfn_engine::state::{Lock, State};
use mlfn_engine::{Event, Status};
use serde_json::{Value as Json, json};

use crate::pipeline::Checked;
use crate::report::plan::Totals;
use crate::report::sources::{Door, LocalPlace};
use crate::report::{Deployed, Finished, Serving, info, outcome};

/// What will be done to a resource. The resource as a whole is left out: it may hold secrets.
pub(super) fn change(change: &Change) -> Json {
    json!({
        "id": change.id,
        "name": change.remote_name(),
        "action": change.action.as_str(),
        "reason": change.reason,
        "why": change.reason.to_string(),
        "fields": change.fields,
        "kept": change.kept,
        "steps": change.steps,
    })
}

/// What a plan comes to.
pub(super) fn summary(plan: &Plan) -> Json {
    let Totals {
        create,
        update,
        replace,
        delete,
        version,
        release,
        record,
    } = Totals::of(plan);
    json!({
        "purpose": plan.purpose,
        "provider": plan.provider,
        "service": plan.service,
        "stage": plan.stage,
        "empty": plan.is_empty(),
        "create": create,
        "update": update,
        "replace": replace,
        "delete": delete,
        "version": version,
        "release": release,
        "record": record,
        "uploads": plan.uploads,
    })
}

/// The type and the contents of the line for an event.
pub(super) fn event(event: &Event<'_>) -> Option<(&'static str, Json)> {
    Some(match event {
        Event::Waiting { lock, left } => ("waiting", waiting(lock, *left)),
        Event::Started { id, action } => ("started", json!({"id": id, "action": action.as_str()})),
        Event::Progress { id, sent, total } if *total > 0 => {
            ("progress", json!({"id": id, "sent": sent, "total": total}))
        }
        Event::Retrying { id, why, after } => {
            let seconds = after.as_secs_f64();
            ("retrying", json!({"id": id, "why": why, "after": seconds}))
        }
        Event::Shifted {
            id,
            percent,
            watched,
        } => {
            let seconds = watched.as_secs();
            (
                "shifted",
                json!({"id": id, "percent": percent, "seconds": seconds}),
            )
        }
        Event::Done {
            id,
            action,
            elapsed,
        } => {
            let (action, seconds) = (action.as_str(), elapsed.as_secs_f64());
            (
                "done",
                json!({"id": id, "action": action, "seconds": seconds}),
            )
        }
        Event::Failed { id, action, why } => {
            let action = action.as_str();
            ("failed", json!({"id": id, "action": action, "why": why}))
        }
        Event::Skipped { id, action } => ("skipped", json!({"id": id, "action": action.as_str()})),
        Event::Disagrees { id, differences } => {
            ("disagrees", json!({"id": id, "differences": differences}))
        }
        _ => return None,
    })
}

/// Whose lock it is, and how long this waits at most, in seconds.
fn waiting(lock: &Lock, left: Duration) -> Json {
    json!({
        "holder": lock.holder,
        "operation": lock.operation,
        "host": lock.host,
        "pid": lock.pid,
        "since": lock.since.to_string(),
        "until": lock.until.to_string(),
        "left": left.as_secs_f64(),
    })
}

/// What came of it.
pub(super) fn outcome(finished: &Finished<'_>) -> Json {
    let outcome = finished.outcome;
    let done = outcome.done.iter();
    let done = done.map(|done| json!({"id": done.id, "action": done.action.as_str()}));
    let failed = outcome.failed.iter().map(|failed| {
        let request_id = failed
            .error
            .provider()
            .and_then(|error| error.request_id.clone());
        json!({
            "id": failed.id,
            "action": failed.action.as_str(),
            "error": failed.error.to_string(),
            "causes": outcome::causes(&failed.error),
            "request_id": request_id,
            "hint": failed.error.hint(),
        })
    });
    let state = finished.state.as_ref();
    json!({
        "status": status(outcome.status),
        "changed": !outcome.done.is_empty(),
        "deployment": outcome.deployment,
        "done": done.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
        "not_tried": outcome.not_tried,
        "endpoints": state.map(|state| info::addresses(finished.checked, state)),
        "sources": local_doors(finished.checked, state),
        "next": (outcome.status != Status::Complete).then_some(&finished.next),
    })
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Complete => "complete",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
        Status::LockLost => "lock-lost",
    }
}

/// Queues and topics of what is deployed here, if it is here.
fn local_doors(checked: &Checked, state: Option<&State>) -> Option<Vec<Door>> {
    let state = state.filter(|_| checked.local)?;
    Some(LocalPlace::of_deployed(checked).doors(checked, state))
}

/// What is served.
pub(super) fn serving(serving: &Serving<'_>) -> Json {
    let service = &serving.checked.service;
    json!({
        "service": service.name,
        "stage": service.stage,
        "as": service.provider,
        "url": serving.url,
        "endpoints": info::addresses(serving.checked, serving.state),
        "sources": LocalPlace::of_served(serving).doors(serving.checked, serving.state),
    })
}

/// What is deployed.
pub(super) fn deployed(deployed: &Deployed<'_>) -> Json {
    let state = deployed.state;
    let resources = state.resources.values().map(|recorded| {
        let condition = deployed.conditions.get(&recorded.id);
        json!({
            "id": recorded.id,
            "name": recorded.remote_name,
            "remote_id": recorded.remote_id,
            "outputs": recorded.outputs,
            "state": condition.map_or("ok", String::as_str),
        })
    });
    let history = state.history.iter().map(|deployment| {
        json!({
            "number": deployment.number,
            "at": deployment.at.to_string(),
            "purpose": deployment.purpose,
            "mlfn": deployment.mlfn,
            "release": deployment.release,
        })
    });
    json!({
        "provider": state.provider,
        "service": state.service,
        "stage": state.stage,
        "endpoints": info::addresses(deployed.checked, state),
        "sources": local_doors(deployed.checked, Some(state)),
        "release": state.history.last().map(|last| &last.release),
        "resources": resources.collect::<Vec<_>>(),
        "conditions": deployed.conditions,
        "history": history.collect::<Vec<_>>(),
    })
}

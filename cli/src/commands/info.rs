//! `mlfn info`.

use std::collections::BTreeMap;
use std::time::Duration;

use mlfn_core::{Action, Plan, ResourceId};
use mlfn_engine::state::State;

use super::state::nothing_deployed;
use crate::deployment::Bench;
use crate::pipeline::{self, Checked};
use crate::report::{Deployed, Report};
use crate::settings::InfoSettings;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Shows what is deployed, and whether it is still as it was deployed.
pub(crate) async fn info(
    settings: InfoSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    let environment = settings.manifest.environment;
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let bench = Bench::connect(checked, environment, Duration::ZERO).await?;
    let stop = Stop::default();
    let engine = bench.engine(&|_| (), stop.gently());
    let Some(mut state) = engine.state().await? else {
        return Err(nothing_deployed(&bench.checked).into());
    };
    let last = state.history.last().map(|deployment| deployment.number);
    let conditions = match last {
        // What a rollback to what is deployed would do is what is wrong with it.
        Some(number) => {
            let request = engine.rollback(Some(number)).await?;
            conditions(&engine.plan(&request).await?, &state)
        }
        None => unfinished(&state),
    };
    for recorded in state.resources.values_mut() {
        recorded.remote_name = bench.session.full_name(&recorded.remote_name);
    }
    show(&bench.checked, &state, &conditions, report)
}

fn show(
    checked: &Checked,
    state: &State,
    conditions: &BTreeMap<ResourceId, String>,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    report.deployed(&Deployed {
        checked,
        state,
        conditions,
    })?;
    Ok(ExitStatus::Ok)
}

/// What is not as it was deployed.
fn conditions(plan: &Plan, state: &State) -> BTreeMap<ResourceId, String> {
    let mut conditions = unfinished(state);
    for change in plan.effective() {
        let condition = match change.action {
            Action::Delete | Action::Adopt | Action::Forget => continue,
            _ => change.reason.to_string(),
        };
        conditions.entry(change.id.clone()).or_insert(condition);
    }
    for drift in &plan.drift {
        let fields: Vec<&str> = drift
            .fields
            .iter()
            .map(|field| field.field.as_str())
            .collect();
        let condition = if fields.is_empty() {
            "was removed by somebody else".to_owned()
        } else {
            format!("changed by somebody else: {}", fields.join(", "))
        };
        conditions.insert(drift.id.clone(), condition);
    }
    conditions
}

fn unfinished(state: &State) -> BTreeMap<ResourceId, String> {
    let pending = state.pending.iter();
    pending
        .map(|intent| {
            (
                intent.id.clone(),
                format!("unfinished since {}", intent.since),
            )
        })
        .collect()
}

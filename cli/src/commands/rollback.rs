//! `mlfn rollback`.

use mlfn_core::Purpose;
use mlfn_engine::state::State;

use crate::archives;
use crate::deployment::{Bench, Job};
use crate::pipeline;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::RollbackSettings;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// From what to what it goes.
fn way(state: &State, to: u64) -> String {
    let from = state.history.last().map(|last| match last.purpose {
        Purpose::Rollback { to } => to,
        Purpose::Deploy | Purpose::Remove => last.number,
    });
    match (state.unfinished, from) {
        (Some(Purpose::Deploy), _) => {
            format!("rolling back from a deploy that did not come to its end, to deployment {to}")
        }
        (None, Some(from)) if from != to => {
            format!("rolling back from deployment {from} to deployment {to}")
        }
        _ => format!("rolling back to deployment {to}"),
    }
}

/// Brings an earlier deployment back.
pub(crate) async fn rollback(
    settings: RollbackSettings,
    report: &dyn Report,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let environment = settings.manifest.environment;
    let bench = Bench::connect(checked, environment, settings.lock_timeout).await?;
    let job = Job {
        bench: &bench,
        verb: "rollback",
        questions: settings.questions,
        report,
        printer,
        stop,
    };
    let engine = job.quietly();
    let request = engine.rollback(settings.to).await?;
    let state = engine.state().await?;
    if let (Some(state), Purpose::Rollback { to }) = (state, request.purpose) {
        printer.note(&way(&state, to));
    }
    let done = job.carry_out(&request).await;
    done.map_err(|error| archives::elsewhere(error, &bench.checked))
}

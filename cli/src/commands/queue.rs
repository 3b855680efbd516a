//! `mlfn queue send|list|peek|purge`.

use mlfn_core::Trigger;
use mlfn_emulator::{EventClient, QueueSummary};

use super::events;
use crate::errors::CommandError;
use crate::pipeline::{self, Checked};
use crate::printer::Printer;
use crate::report::{Report, Sent};
use crate::settings::{QueueAction, QueueSettings};
use crate::status::ExitStatus;

/// Reaches the queues of the local cloud.
pub(crate) async fn queue(
    settings: QueueSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let client = events::client(&checked, settings.url.as_deref()).await?;
    let queues = Queues {
        all: client.queues().await?,
        client,
        checked,
    };
    match settings.action {
        QueueAction::List => report.queues(&queues.all)?,
        QueueAction::Send { queue, message } => {
            let to = queues.find(&queue, false)?;
            let is_read =
                |trigger: &Trigger| matches!(trigger, Trigger::Queue(one) if one.name == queue);
            let message = events::message(message, &queues.checked, is_read, printer).await?;
            let id = queues.client.send(&to.url, &message).await?;
            report.sent(&Sent {
                to: &to.name,
                id: &id,
            })?;
        }
        QueueAction::Peek { queue, dead, most } => {
            let queue = queues.find(&queue, dead)?;
            report.messages(&queues.client.peek(&queue.url, most).await?)?;
        }
        QueueAction::Purge { queue, dead } => {
            let queue = queues.find(&queue, dead)?;
            queues.client.purge(&queue.url).await?;
            printer.note(&format!("{} is empty", queue.name));
        }
    }
    Ok(ExitStatus::Ok)
}

struct Queues {
    all: Vec<QueueSummary>,
    client: EventClient,
    checked: Checked,
}

impl Queues {
    /// The queue that is meant, or that of its dead letters.
    fn find(&self, name: &str, dead: bool) -> Result<&QueueSummary, CommandError> {
        let names: Vec<&str> = self.all.iter().map(|queue| queue.name.as_str()).collect();
        let found = events::find(&self.checked, "queue", name, &names)?;
        let of_name = |name: &str| self.all.iter().find(|queue| queue.name == name);
        let queue = of_name(found);
        let queue = if dead {
            queue.and_then(|queue| of_name(queue.dead_letters.as_deref()?))
        } else {
            queue
        };
        queue.ok_or_else(|| CommandError::failure(format!("`{name}` has no dead letters")))
    }
}

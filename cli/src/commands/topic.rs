//! `mlfn topic publish|list`.

use mlfn_core::Trigger;

use super::events;
use crate::pipeline;
use crate::printer::Printer;
use crate::report::{Report, Sent};
use crate::settings::{TopicAction, TopicSettings};
use crate::status::ExitStatus;

/// Reaches the topics of the local cloud.
pub(crate) async fn topic(
    settings: TopicSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let client = events::client(&checked, settings.url.as_deref()).await?;
    let arns = client.topics().await?;
    let TopicAction::Publish { topic, message } = settings.action else {
        report.topics(&arns)?;
        return Ok(ExitStatus::Ok);
    };
    let names: Vec<&str> = arns
        .iter()
        .filter_map(|arn| arn.rsplit(':').next())
        .collect();
    let name = events::find(&checked, "topic", &topic, &names)?;
    let is_read = |trigger: &Trigger| matches!(trigger, Trigger::Topic(one) if one.name == topic);
    let message = events::message(message, &checked, is_read, printer).await?;
    let arn = arns.iter().find(|arn| arn.rsplit(':').next() == Some(name));
    let id = client
        .publish(arn.map_or("", String::as_str), &message)
        .await?;
    report.sent(&Sent { to: name, id: &id })?;
    Ok(ExitStatus::Ok)
}

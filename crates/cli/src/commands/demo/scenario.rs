//! The demo from start to end.

use super::{
    DemoArgs,
    device::{Answer, DemoDevice},
    input::Input,
    summary::{Aside, Outcome, Report},
};
use crate::{
    commands::{
        interrupt::interruptible,
        mesh::{Mesh, MeshOptions, Unusual},
        setup,
    },
    context::Context,
    failure::{Done, Failure},
    output::{Printer, Progress},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_types::workflow::Workflow;

/// Requests on their way at the same time, when they are sent at an interval.
const IN_FLIGHT_MAX: usize = 64;

/// Runs the demo.
pub async fn run(context: &Context, args: DemoArgs) -> Done {
    // What is wrong with the input is said before anything is started.
    let input = Input::new(&args)?;
    let printer = context.printer;
    let mut mesh = Mesh::new(MeshOptions {
        purpose: "demo",
        nodes: args.nodes.into(),
        detached: args.keep,
        unusual: Unusual::default(),
    })?;
    let done = interruptible(scenario(printer, &args, &input, &mut mesh)).await;
    match done {
        Ok(_) if args.keep => mesh.keep(),
        _ => mesh.stop().await?,
    }
    let (report, outcomes, aside) = done?;
    printer.answer(&report, |it| it.text(&outcomes, &aside))?;
    if report.failed > 0 {
        let Report { failed, requests, .. } = report;
        return Err(Failure::failed(format!("{failed} of {requests} requests failed")));
    }
    Ok(())
}

async fn scenario(
    printer: Printer,
    args: &DemoArgs,
    input: &Input,
    mesh: &mut Mesh,
) -> Done<(Report, Vec<Outcome>, Aside)> {
    let started = Instant::now();
    mesh.start().await?;
    let took = started.elapsed().as_millis();
    printer.note(&format!("network folder {}", mesh.folder().display()))?;
    printer.note(&format!("{} nodes run, each a process of its own ({took} ms)", args.nodes))?;

    let operator = mesh.operator()?;
    for (name, module) in cold_chain::host::MODULES {
        setup::deploy(&operator, name, module).await?;
        printer.note(&format!("deployed {name} ({} bytes)", module.len()))?;
    }
    let workflow = workflow(input)?;
    setup::create_workflow(&operator, &workflow).await?;
    printer.note(&format!("created workflow {}: process, detect, alert", workflow.id))?;
    let names = cold_chain::host::MODULES.map(|(name, _)| name);
    setup::ready(&operator, &names, &Progress::spinner("the nodes compile them")).await?;
    let key =
        setup::register_device(&operator, "cold-room-1", &mesh.folder().join("device.key")).await?;
    printer.note(&format!("registered device cold-room-1 ({})\n", key.public().short()))?;

    let device = DemoDevice::new(mesh.client()?, key, workflow, mesh.names());
    let (outcomes, alerts) = send(printer, args, input, &device).await?;
    let height = device.height().await?;
    let report = Report::of(args.nodes.into(), &outcomes, mesh.folder().to_owned());
    Ok((report, outcomes, Aside { height, alerts, kept: args.keep }))
}

/// The three stages, one after the other, with the operator's limits as parameters.
fn workflow(input: &Input) -> Done<Workflow> {
    setup::chain(
        "cold-chain",
        &[
            ("process", "process-sensor-data", json!({})),
            ("detect", "detect-anomalies", input.limits.clone()),
            ("alert", "generate-alerts", json!({})),
        ],
        Duration::from_secs(10),
    )
}

/// Sends every window, and gives what became of each and how many alerts were raised.
async fn send(
    printer: Printer,
    args: &DemoArgs,
    input: &Input,
    device: &DemoDevice,
) -> Done<(Vec<Outcome>, usize)> {
    let progress = Progress::bar(input.windows.len() as u64, "requests");
    let (mut outcomes, mut alerts) = (Vec::new(), 0);
    let mut take = |answer: Answer| -> Done {
        progress.step();
        progress.aside(|| tell(printer, &answer))?;
        alerts += answer.alerts.len();
        outcomes.push(answer.outcome);
        Ok(())
    };
    let Some(interval) = args.interval else {
        for (index, window) in input.windows.iter().enumerate() {
            take(device.ask(index, window).await)?;
        }
        return Ok((outcomes, alerts));
    };
    let mut clock = tokio::time::interval(interval.max(Duration::from_millis(1)));
    let mut in_flight = FuturesUnordered::new();
    for (index, window) in input.windows.iter().enumerate() {
        loop {
            tokio::select! {
                biased;
                Some(answer) = in_flight.next() => take(answer)?,
                _ = clock.tick(), if in_flight.len() < IN_FLIGHT_MAX => break,
            }
        }
        in_flight.push(device.ask(index, window));
    }
    while let Some(answer) = in_flight.next().await {
        take(answer)?;
    }
    Ok((outcomes, alerts))
}

/// Alerts as they come; a failure goes to standard error in any form.
fn tell(printer: Printer, answer: &Answer) -> Done {
    if let Some(reason) = &answer.failure {
        eprintln!("request {} failed: {reason}", answer.index + 1);
    }
    for alert in &answer.alerts {
        printer.note(&alert.text(answer.index + 1))?;
    }
    Ok(())
}

//! `bench apps`: artifacts from node to node, calls, and an image from its file to all nodes.

use super::{
    arguments::AppsArgs,
    load::{self, Load},
    machine::Machine,
    report::{self, Figure},
};
use crate::{
    commands::{
        app::{deploy_file, upload_file},
        mesh::Unusual,
        setup,
    },
    context::{Context, ContextArgs, FILE_NAME},
    failure::{Done, Failure},
    output::{Format, Progress},
    statistics::Percentiles,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;
use serde_json::json;
use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use trustmesh_client::{Device, Operator, SubmitSpec};
use trustmesh_data::artifacts::{
    ArtifactStore, ObtainOptions, Wanted, obtain,
    oci::{Registry, RegistryConfig},
};
use trustmesh_node::{Peer, config::Containers};
use trustmesh_types::{AppId, Contents, limits::ARTIFACT_BYTES_MAX, records::Condition};

/// For all nodes to run an application.
const RUNNING_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);
/// A request must have ended by then.
const DEADLINE: Duration = Duration::from_secs(60);
/// Requests before those that count.
const WARM_UP: u32 = 5;
/// Times that an artifact is fetched.
const FETCHES: usize = 3;

/// Targets on 2 cores, 4 processes, loopback.
const RUNNING_S_MAX: f64 = 3.0;
const CONTAINER_CALL_MS_MAX: f64 = 5.0;
const MODULE_CALL_MS_MAX: f64 = 1.0;
const FETCH_MB_PER_S_MIN: f64 = 200.0;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    artifact_bytes: u64,
    /// From its file until f+1 validators hold it.
    held_s: f64,
    /// MB (1,000,000 bytes) per second, each time into an empty store.
    fetch_mb_per_s: Vec<f64>,
    module_call_ms: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

#[derive(Serialize)]
struct Image {
    /// Where nodes could fetch it, beside each other.
    registry: Option<String>,
    deployed: Deployed,
    call_ms: Percentiles,
}

/// An artifact from a file to all nodes.
#[derive(Serialize)]
struct Deployed {
    /// Until the ledger has the application: packed, put into the registry, uploaded, held by
    /// f+1 validators, final.
    on_ledger_s: f64,
    /// From then on, until every node has said that it runs it.
    running_s: f64,
}

/// Measures and reports.
pub async fn run(context: &Context, args: &AppsArgs) -> Done {
    let registries: Vec<_> =
        args.registry.iter().map(|host| RegistryConfig::simple(host)).collect();
    for registry in &registries {
        Registry::new(registry).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let socket = args.container_socket.clone();
    let containers = args.image.as_ref().map(|_| Containers { socket });
    let unusual = Unusual { containers, registries, ..Unusual::default() };
    let measuring = async |load: &mut Load| measure(args, load).await;
    let report = load::measured_on(args.nodes, unusual, measuring).await?;
    context.printer.answer(&report, text)
}

async fn measure(args: &AppsArgs, load: &mut Load) -> Done<Report> {
    load.start(1).await?;
    let folder = load.mesh.folder().to_owned();
    let here = Context::new(&ContextArgs {
        output: Format::default(),
        context: Some(folder.join(FILE_NAME)),
        genesis: None,
        endpoints: Vec::new(),
        key: None,
    })?;
    let operator = load.mesh.operator()?;
    archive(&folder.join("large.tar"), args.artifact_bytes)?;
    write(&folder.join("large.yaml"), b"name: large\nruntime: container\nartifact: large.tar\n")?;
    let start = Instant::now();
    let contents = upload_file(&here, &operator, &folder.join("large.yaml")).await?;
    let held_s = start.elapsed().as_secs_f64();
    let fetch_mb_per_s = fetches(load, &contents).await?;
    let module_call_ms = calls(args, load, "noop").await?;
    let image = match &args.image {
        None => None,
        Some(image) => {
            let image = std::path::absolute(image).map_err(Failure::usage)?;
            let mut file = format!(
                "name: image\nruntime: container\nartifact: {:?}\nresources: {{ memory: 64MiB }}\n",
                image.display().to_string()
            );
            let registry = args.registry.as_ref().map(|host| format!("{host}/bench/image"));
            if let Some(registry) = &registry {
                let _ = writeln!(file, "registry: {registry}:latest");
            }
            let on = (&operator, args.nodes);
            let deployed = deployed(&here, on, (&folder, &file)).await?;
            Some(Image { registry, deployed, call_ms: calls(args, load, "image").await? })
        }
    };
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        artifact_bytes: contents.bytes(),
        held_s,
        fetch_mb_per_s,
        module_call_ms,
        image,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Done {
    std::fs::write(path, bytes).map_err(|e| Failure::unwritable(path, &e))
}

/// The archive of an image whose layer means nothing: it is held and fetched, never loaded.
fn archive(path: &Path, bytes: u64) -> Done {
    let mut layer = vec![0; usize::try_from(bytes).map_err(Failure::usage)?];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut layer);
    let config = json!({ "os": "linux", "architecture": "amd64" }).to_string();
    let manifest = json!([{ "Config": "config.json", "Layers": ["layer.tar"] }]).to_string();
    let failed = |e: std::io::Error| Failure::unwritable(path, &e);
    let mut tar = tar::Builder::new(std::fs::File::create(path).map_err(failed)?);
    let entries: [(&str, &[u8]); 3] = [
        ("config.json", config.as_bytes()),
        ("layer.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ];
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).map_err(failed)?;
    }
    tar.finish().map_err(failed)
}

async fn deployed(
    here: &Context,
    (operator, nodes): (&Operator, u16),
    (folder, file): (&Path, &str),
) -> Done<Deployed> {
    let path = folder.join("image.yaml");
    write(&path, file.as_bytes())?;
    let start = Instant::now();
    let id = deploy_file(here, operator, &path).await?;
    let on_ledger_s = start.elapsed().as_secs_f64();
    let progress = Progress::spinner("the nodes make it ready");
    let running_s = until_running(operator, &id, nodes).await?;
    drop(progress);
    Ok(Deployed { on_ledger_s, running_s })
}

async fn until_running(operator: &Operator, id: &AppId, nodes: u16) -> Done<f64> {
    let start = Instant::now();
    while start.elapsed() < RUNNING_WITHIN {
        let app = operator.client().app(id).await?;
        let runs = app.conditions.values().filter(|it| it.condition == Condition::Running);
        if runs.count() >= usize::from(nodes) {
            return Ok(start.elapsed().as_secs_f64());
        }
        if let Some(failed) = app.conditions.values().find(|it| it.condition == Condition::Failed) {
            let why = failed.note.clone().unwrap_or_default();
            return Err(Failure::failed(format!("a node can't run {id}: {why}")));
        }
        sleep(PAUSE).await;
    }
    Err(Failure::failed(format!("not all nodes run {id} after {RUNNING_WITHIN:?}")))
}

/// The first node's artifact, fetched as another node fetches it: over HTTPS, each chunk checked,
/// kept durably.
async fn fetches(load: &Load, contents: &Contents) -> Done<Vec<f64>> {
    let (keys, infos) = (load.mesh.node_keys()?, load.mesh.infos());
    let (Some(key), Some(info)) = (keys.last(), infos.first()) else {
        return Err(Failure::failed("no nodes"));
    };
    let client = load.mesh.client()?;
    let progress = Progress::bar(FETCHES as u64, "fetching from a node");
    let mut rates = Vec::new();
    for _ in 0..FETCHES {
        // Where nodes keep theirs, too.
        let folder = tempfile::tempdir_in(load.mesh.folder()).map_err(Failure::failed)?;
        let failed = |error: trustmesh_data::artifacts::ArtifactError| Failure::failed(error);
        let store = ArtifactStore::open(folder.path(), ARTIFACT_BYTES_MAX).map_err(failed)?;
        let source = Arc::new(Peer::new(&client, key, info));
        let options = ObtainOptions::new(Wanted::All);
        let start = Instant::now();
        obtain(&store, contents.digest(), vec![source], &options).await.map_err(failed)?;
        rates.push(contents.bytes() as f64 / 1e6 / start.elapsed().as_secs_f64());
        progress.step();
    }
    Ok(rates)
}

/// What calls take on the node that makes them.
async fn calls(args: &AppsArgs, load: &Load, app: &str) -> Done<Percentiles> {
    let id = format!("calls-{app}");
    let workflow = setup::chain(&id, &[("call", app, json!({}))], Duration::from_secs(10))?;
    setup::create_workflow(&load.mesh.operator()?, &workflow).await?;
    let key = load.keys.first().ok_or_else(|| Failure::failed("no device"))?;
    let device = Device::new(load.mesh.client()?, key.clone());
    let progress = Progress::bar(args.calls.into(), "calls");
    let mut times_us = Vec::new();
    for serial in 0..WARM_UP + args.calls {
        let (data, workflow_id) = (json!([serial]), workflow.id.clone());
        let spec = SubmitSpec { workflow: workflow_id, data, deadline: DEADLINE, persist: false };
        let request = device.submit(spec).await?;
        let result = device.result(&request, DEADLINE).await?;
        if serial >= WARM_UP {
            times_us.push(result.view.critical_path_us(&workflow));
            progress.step();
        }
    }
    Ok(Percentiles::of(times_us.into_iter()))
}

fn text(report: &Report) -> String {
    let mb = format!("{:.1} MB", report.artifact_bytes as f64 / 1e6);
    let seconds = |it: &Deployed| format!("{:.2} s + {:.2} s", it.on_ledger_s, it.running_s);
    let p50 = |it: &Percentiles| it.p50.unwrap_or(f64::MAX);
    let fetch = report.fetch_mb_per_s.iter().copied().fold(0.0, f64::max);
    let mut figures = vec![
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain("artifact", mb),
        Figure::plain("from its file until f+1 hold it", format!("{:.2} s", report.held_s)),
        Figure::at_least("from one node, best of three", fetch, FETCH_MB_PER_S_MIN, "MB/s"),
        Figure::plain("call of a module", report.module_call_ms.text()),
        Figure::at_most("its p50", p50(&report.module_call_ms), MODULE_CALL_MS_MAX, "ms"),
    ];
    if let Some(it) = &report.image {
        let all = it.deployed.on_ledger_s + it.deployed.running_s;
        let registry = it.registry.clone().unwrap_or_else(|| "none".to_owned());
        figures.extend([
            Figure::plain("registry", registry),
            Figure::plain("image on the ledger + running everywhere", seconds(&it.deployed)),
            Figure::at_most("in all", all, RUNNING_S_MAX, "s"),
            Figure::plain("call of a warm container", it.call_ms.text()),
            Figure::at_most("its p50", p50(&it.call_ms), CONTAINER_CALL_MS_MAX, "ms"),
        ]);
    }
    report::text(&report.machine, &figures)
}

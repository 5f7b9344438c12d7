//! What may be deployed, and how its state goes.

use super::{refuses, takes};
use crate::fixture::{Net, Tx, clerk, operator, secret};
use trustmesh_types::{
    AppId, Contents, Digest, Payload, limits,
    records::{AppManifest, AppState, Grants, Runtime},
    reject::RejectCode::{
        self, AppExists, BadSignature, InvalidValue, TooFewReceipts, UnknownApp, WrongRole,
    },
    request::StorageReceipt,
    transaction::Deployment,
};

/// A deployment of a manifest that `change` spoils before it is signed.
fn deploy(net: &Net, change: impl FnOnce(&mut AppManifest)) -> Tx {
    let mut manifest = net.deployment("new").manifest;
    change(&mut manifest);
    (operator().public(), Payload::DeployApp(net.published(manifest)))
}

/// A deployment that `change` spoils after it is signed.
fn forged(net: &Net, change: impl FnOnce(&mut Deployment)) -> Tx {
    let mut deployment = net.deployment("new");
    change(&mut deployment);
    (operator().public(), Payload::DeployApp(deployment))
}

fn set(wanted: AppState) -> Tx {
    let app = AppId::new("app").unwrap();
    (operator().public(), Payload::SetAppState { app, wanted })
}

#[test]
fn deployments_are_signed_held_and_bounded() {
    let net = Net::new();
    let network = net.state.network();
    let good = deploy(&net, |_| ());
    let artifact = Contents::of_module(b"module").unwrap().digest();
    let by = |n: u8, subject, bytes| {
        StorageReceipt::sign(&secret(n), &network, subject, artifact, bytes)
    };
    refuses(
        &net,
        vec![
            ("by a node", (secret(1).public(), good.1.clone()), WrongRole),
            ("by no publisher", (clerk().public(), good.1.clone()), WrongRole),
            ("taken", forged(&net, |d| *d = net.deployment("app")), AppExists),
            ("no version", deploy(&net, |m| m.version.clear()), InvalidValue),
            ("an empty artifact", deploy(&net, |m| m.artifact_bytes = 0), InvalidValue),
            (
                "a huge artifact",
                deploy(&net, |m| m.artifact_bytes = limits::MODULE_BYTES_MAX + 1),
                InvalidValue,
            ),
            (
                "a huge image",
                deploy(&net, |m| {
                    m.runtime = Runtime::Container;
                    m.artifact_bytes = limits::ARTIFACT_BYTES_MAX + 1;
                }),
                InvalidValue,
            ),
            ("an empty registry", deploy(&net, |m| m.registry = Some(String::new())), InvalidValue),
            (
                "an empty architecture",
                deploy(&net, |m| m.architectures = [String::new()].into()),
                InvalidValue,
            ),
            (
                "many architectures",
                deploy(&net, |m| m.architectures = (0..17).map(|n| n.to_string()).collect()),
                InvalidValue,
            ),
            ("no time to start", deploy(&net, |m| m.start_timeout_ms = 99), InvalidValue),
            ("no cpu", deploy(&net, |m| m.requirements.cpu_millis = 0), InvalidValue),
            ("no memory", deploy(&net, |m| m.requirements.memory_bytes = 0), InvalidValue),
            (
                "a changed manifest",
                forged(&net, |d| d.manifest.requirements.cpu_millis = 1),
                BadSignature,
            ),
            ("no receipts", forged(&net, |d| d.receipts.clear()), TooFewReceipts),
            ("one twice", forged(&net, |d| d.receipts[1] = d.receipts[0].clone()), TooFewReceipts),
            ("no validator", forged(&net, |d| d.receipts[1] = by(5, artifact, 6)), TooFewReceipts),
            (
                "another length",
                forged(&net, |d| d.receipts[1] = by(2, artifact, 7)),
                TooFewReceipts,
            ),
            (
                "another purpose",
                forged(&net, |d| d.receipts[1] = by(2, Digest::default(), 6)),
                TooFewReceipts,
            ),
            (
                "a bad signature",
                forged(&net, |d| d.receipts[1].signature.0[0] ^= 1),
                TooFewReceipts,
            ),
            (
                "too many receipts",
                forged(&net, |d| d.receipts = vec![d.receipts[0].clone(); 129]),
                InvalidValue,
            ),
        ],
    );
    takes(
        &net,
        vec![
            ("good", good),
            (
                "bad receipts beside good ones",
                forged(&net, |d| {
                    d.receipts.insert(0, by(5, artifact, 6));
                    d.receipts.insert(1, by(3, Digest::default(), 6));
                }),
            ),
        ],
    );
}

#[test]
fn grants_are_of_a_kind_and_bounded() {
    let net = Net::new();
    let container = |change: fn(&mut Grants)| {
        deploy(&net, |m| {
            m.runtime = Runtime::Container;
            change(&mut m.grants);
        })
    };
    let refused = |what, tx| (what, tx, InvalidValue);
    let network: fn(&mut AppManifest) = |m| m.grants.network = ["a.example:1".to_owned()].into();
    let hosts = |hosts: &[&str]| {
        deploy(&net, |m| {
            m.runtime = Runtime::Container;
            m.grants.network = hosts.iter().map(|&host| host.to_owned()).collect();
        })
    };
    let variable = |name: &str, value: &str| {
        deploy(&net, |m| drop(m.grants.environment.insert(name.to_owned(), value.to_owned())))
    };
    refuses(
        &net,
        vec![
            refused("a module's network", deploy(&net, network)),
            refused("a deterministic clock", deploy(&net, |m| m.grants.clock = true)),
            refused("deterministic chance", deploy(&net, |m| m.grants.random = true)),
            refused("no port", hosts(&["a.example"])),
            refused("port 0", hosts(&["a.example:0"])),
            refused("a large port", hosts(&["a.example:65536"])),
            refused("a signed port", hosts(&["a.example:+1"])),
            refused("every host", hosts(&["*:443"])),
            refused("a star within", hosts(&["a.*.example:443"])),
            refused("an empty label", hosts(&["a..example:443"])),
            refused("capitals", hosts(&["A.example:443"])),
            refused(
                "many hosts",
                container(|g| g.network = (0..33).map(|n| format!("h:{}", n + 1)).collect()),
            ),
            refused("an empty variable", variable("", "x")),
            refused("a digit first", variable("1A", "x")),
            refused("a sign", variable("A=B", "x")),
            refused("two lines", variable("A", "x\ny")),
            refused(
                "many variables",
                container(|g| {
                    g.environment = (0..65).map(|n| (format!("V{n}"), String::new())).collect();
                }),
            ),
        ],
    );
    takes(
        &net,
        vec![
            ("hosts", hosts(&["a.example:443", "*.b.example:8080", "10.0.0.1:53"])),
            ("variables", variable("LOG_level", "")),
            (
                "a real clock",
                deploy(&net, |m| {
                    m.deterministic = false;
                    m.grants.clock = true;
                }),
            ),
            ("a container's clock", container(|g| g.clock = true)),
        ],
    );
}

#[test]
fn an_application_goes_only_where_its_state_leads() {
    use AppState::{Deployed, Removed, Running, Stopped};
    type Case = (&'static str, &'static [AppState], AppState, Option<RejectCode>);
    let cases: [Case; 9] = [
        ("runs already", &[], Running, Some(RejectCode::AppState)),
        ("never deployed again", &[], Deployed, Some(RejectCode::AppState)),
        ("stops", &[], Stopped, None),
        ("stopped already", &[Stopped], Stopped, Some(RejectCode::AppState)),
        ("starts", &[Stopped], Running, None),
        ("removed while running", &[], Removed, None),
        ("removed while stopped", &[Stopped], Removed, None),
        ("removed stays so", &[Removed], Running, Some(RejectCode::AppState)),
        ("removed once", &[Removed], Removed, Some(RejectCode::AppState)),
    ];
    for (what, path, wanted, expected) in cases {
        let mut net = Net::new();
        for step in path {
            net.one(set(*step)).unwrap();
        }
        assert_eq!(net.one(set(wanted)).err().map(|r| r.code), expected, "{what}");
        if expected.is_none() {
            let app = net.state.app(&AppId::new("app").unwrap()).unwrap();
            assert_eq!((app.wanted, app.changed), (wanted, net.state.height()), "{what}");
        }
    }
    let net = Net::new();
    let unknown = Payload::SetAppState { app: AppId::new("x").unwrap(), wanted: Stopped };
    refuses(
        &net,
        vec![
            ("unknown", (operator().public(), unknown), UnknownApp),
            ("no publisher", (clerk().public(), set(Stopped).1), WrongRole),
        ],
    );
}

#[test]
fn a_removed_application_may_be_deployed_anew() {
    let mut net = Net::new();
    net.one(set(AppState::Removed)).unwrap();
    let anew = net.deployment("app");
    net.one((operator().public(), Payload::DeployApp(anew))).unwrap();
    let app = net.state.app(&AppId::new("app").unwrap()).unwrap();
    assert_eq!(app.wanted, AppState::Running);
    let mut holders = vec![secret(1).public(), secret(2).public()];
    holders.sort();
    assert_eq!(app.holders, holders);
}

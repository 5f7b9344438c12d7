//! The bounds of what a publisher says of an application.

use super::super::values;
use trustmesh_types::{
    limits,
    records::{AppManifest, Grants, Runtime},
    reject::{RejectCode, Rejection},
};

fn invalid(reason: impl Into<String>) -> Rejection {
    Rejection::new(RejectCode::InvalidValue, reason)
}

/// Whether a manifest is within its bounds, whoever signs it.
///
/// # Errors
/// [`Rejection`] that says which bound it is beyond.
pub fn check(manifest: &AppManifest) -> Result<(), Rejection> {
    values::text("the application's version", &manifest.version, limits::TEXT_BYTES_MAX)?;
    let bytes_max = match manifest.runtime {
        Runtime::Wasm => limits::MODULE_BYTES_MAX,
        Runtime::Container => limits::ARTIFACT_BYTES_MAX,
    };
    if !(1..=bytes_max).contains(&manifest.artifact_bytes) {
        return Err(invalid(format!(
            "the artifact has {} bytes, 1 to {bytes_max} are allowed for runtime {}",
            manifest.artifact_bytes, manifest.runtime
        )));
    }
    if manifest.requirements.cpu_millis == 0 || manifest.requirements.memory_bytes == 0 {
        return Err(invalid(
            "the application's requirements need cpu_millis and memory_bytes above zero",
        ));
    }
    if let Some(registry) = &manifest.registry {
        values::text("the application's registry", registry, limits::TEXT_BYTES_MAX)?;
    }
    if manifest.architectures.len() > limits::ARCHITECTURES_MAX {
        return Err(too_many("architectures", limits::ARCHITECTURES_MAX));
    }
    for arch in &manifest.architectures {
        values::text("the application's architecture", arch, limits::NAME_BYTES_MAX)?;
    }
    if !limits::START_TIMEOUT_MS.contains(&manifest.start_timeout_ms) {
        return Err(invalid(format!(
            "the start timeout is {} ms; give {} to {} ms",
            manifest.start_timeout_ms,
            limits::START_TIMEOUT_MS.start(),
            limits::START_TIMEOUT_MS.end()
        )));
    }
    grants(manifest.runtime, manifest.deterministic, &manifest.grants)
}

fn too_many(what: &str, max: usize) -> Rejection {
    invalid(format!("the application names more than {max} {what}"))
}

fn grants(runtime: Runtime, deterministic: bool, grants: &Grants) -> Result<(), Rejection> {
    if runtime == Runtime::Wasm {
        if !grants.network.is_empty() {
            return Err(invalid("a module has no network: grant it to a container"));
        }
        if deterministic && (grants.clock || grants.random) {
            return Err(invalid(
                "an application with the real clock or real randomness is not deterministic: \
                 don't grant them, or don't declare it",
            ));
        }
    }
    if grants.network.len() > limits::GRANTED_HOSTS_MAX {
        return Err(too_many("granted hosts", limits::GRANTED_HOSTS_MAX));
    }
    if let Some(host) = grants.network.iter().find(|host| !is_host(host)) {
        let host: String = host.chars().take(80).collect();
        return Err(invalid(format!(
            "granted host {host:?} is not host:port or *.domain:port, like api.example:443"
        )));
    }
    if grants.environment.len() > limits::ENVIRONMENT_MAX {
        return Err(too_many("environment variables", limits::ENVIRONMENT_MAX));
    }
    grants.environment.iter().try_for_each(|(name, value)| variable(name, value))
}

fn is_host(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    let port_fits =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    port_fits && text.len() <= limits::TEXT_BYTES_MAX && name.split('.').all(label)
}

fn variable(name: &str, value: &str) -> Result<(), Rejection> {
    let shown: String = name.chars().take(80).collect();
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !starts || !goes_on || name.len() > limits::NAME_BYTES_MAX {
        return Err(invalid(format!(
            "environment variable {shown:?} is no name: letters, digits and _, not a digit first"
        )));
    }
    if value.len() > limits::TEXT_BYTES_MAX || value.chars().any(char::is_control) {
        return Err(invalid(format!(
            "environment variable {shown} is not one line of at most {} bytes",
            limits::TEXT_BYTES_MAX
        )));
    }
    Ok(())
}

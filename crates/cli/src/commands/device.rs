//! `trustmesh device`: who may send requests.

use super::{changes, listing, parse};
use crate::{context::Context, failure::Done, output::Table};
use clap::Subcommand;

/// Devices.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh key generate device.key
  trustmesh device register truck-1 device.key.pub")]
pub enum DeviceCommand {
    /// Make a key a member of the network
    #[command(after_help = "Example:
  trustmesh device register truck-1 device.key.pub")]
    Register {
        /// A name for people
        name: String,
        /// The device's public key, or the .pub file that holds it
        #[arg(value_name = "KEY")]
        device: String,
    },
    /// End a device's membership
    #[command(after_help = "Example:
  trustmesh device revoke device.key.pub")]
    Revoke {
        /// The device's public key, or the .pub file that holds it
        #[arg(value_name = "KEY")]
        device: String,
    },
    /// List devices
    List,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: DeviceCommand) -> Done {
    match command {
        DeviceCommand::Register { name, device } => {
            let key = parse::public_key(&device)?;
            let included = context.operator()?.register_device(key, &name).await?;
            let done = format!("device {name} ({}) is a member", key.short());
            changes::answer(context, done, &included)
        }
        DeviceCommand::Revoke { device } => {
            let key = parse::public_key(&device)?;
            let included = context.operator()?.revoke_device(key).await?;
            changes::answer(context, format!("device {} is no member now", key.short()), &included)
        }
        DeviceCommand::List => list(context).await,
    }
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let devices = listing::all(|query| {
        let client = &client;
        async move { client.devices(&query).await }
    });
    context.printer.answer(&devices.await?, |devices| {
        let columns = ["name", "key", "state", "open requests"];
        let mut table = Table::new(&columns, "no devices; `trustmesh device register` adds one");
        for device in devices {
            let state = if device.revoked { "revoked" } else { "member" };
            table.row([
                device.name.clone(),
                device.key.to_string(),
                state.to_owned(),
                device.open_requests.to_string(),
            ]);
        }
        table.text()
    })
}

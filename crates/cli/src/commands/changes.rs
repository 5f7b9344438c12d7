//! What commands that change the ledger answer: the transaction and its block.

use crate::{context::Context, failure::Done};
use serde::Serialize;
use trustmesh_client::Included;
use trustmesh_types::TxId;

/// A change that is final.
#[derive(Debug, Serialize)]
pub struct Change {
    /// What was done, in a sentence.
    done: String,
    /// The transaction that did it.
    transaction: TxId,
    /// Height of its block.
    height: u64,
}

/// Prints a change.
pub fn answer(context: &Context, done: String, included: &Included) -> Done {
    let change = Change { done, transaction: included.id, height: included.height };
    context.printer.answer(&change, |it| {
        format!("{} (block {}, transaction {})", it.done, it.height, it.transaction)
    })
}

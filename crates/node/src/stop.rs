//! Telling every part of a node to stop.

use tokio::sync::watch;

/// Tells; clones are the same one, and parts stop as well when all are gone.
#[derive(Clone)]
pub(crate) struct Trigger(watch::Sender<bool>);

/// Is told.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Trigger {
    /// Tells every part to stop.
    pub(crate) fn pull(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// A trigger and what it reaches.
    pub(crate) fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Completes when the node is to stop.
    pub(crate) async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone, which is a stop as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Whether the node is to stop.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

//! Deeds for applications, one after the other as the agent asked for them.
//!
//! Invariant: turns are taken without waiting, in the order in which they are used. A turn ends
//! when it is dropped.

use futures::{
    FutureExt as _,
    channel::oneshot::{self, Receiver, Sender},
    future::Shared,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use trustmesh_types::AppId;

/// Completes when a turn ends: nothing is ever sent.
type Ends = Shared<Receiver<()>>;

/// Who is next, by application.
#[derive(Default)]
pub(crate) struct Order(Mutex<BTreeMap<AppId, Ends>>);

/// A turn.
pub(crate) struct Turn {
    before: Vec<Ends>,
    _ends: Sender<()>,
}

impl Order {
    fn last(&self) -> MutexGuard<'_, BTreeMap<AppId, Ends>> {
        // A map is never half changed.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, ends| ends.clone().now_or_never().is_none());
        last
    }

    /// The turn after all of an application's that were taken.
    pub(crate) fn of(&self, app: &AppId) -> Turn {
        let (ends, ended) = oneshot::channel();
        let before = self.last().insert(app.clone(), ended.shared());
        Turn { before: before.into_iter().collect(), _ends: ends }
    }

    /// A turn after all that were taken, before none.
    pub(crate) fn after_all(&self) -> Turn {
        let (ends, _) = oneshot::channel();
        Turn { before: self.last().values().cloned().collect(), _ends: ends }
    }
}

impl Turn {
    /// Completes when those before it have ended.
    pub(crate) async fn comes(&mut self) {
        while let Some(before) = self.before.last().cloned() {
            // It ends by being dropped.
            let _ = before.await;
            self.before.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_one_after_the_other() {
        let (order, app, other) =
            (Order::default(), AppId::new("a").unwrap(), AppId::new("b").unwrap());
        let (mut first, mut second) = (order.of(&app), order.of(&app));
        let (mut alone, mut all) = (order.of(&other), order.after_all());
        first.comes().await;
        alone.comes().await;
        assert!(second.comes().now_or_never().is_none(), "the first one has not ended");
        let mut third = order.of(&app);
        assert!(all.comes().now_or_never().is_none());
        drop(first);
        second.comes().now_or_never().expect("the first one has ended");
        assert!(third.comes().now_or_never().is_none());
    }
}

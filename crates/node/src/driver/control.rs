//! How the HTTP API reaches the agent: a request or an artifact in, an answer out.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use trustmesh_agent::{Answer, Bytes};
use trustmesh_types::{Digest, Signature, request::RequestBody};

/// Calls that may wait for the agent.
const WAITING_MAX: usize = 1_024;
/// The agent answers within 10 s; a little more, and something is wrong.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A call to the agent.
pub(crate) enum Call {
    /// A device's request.
    Submit {
        /// What the device signed.
        body: Box<RequestBody>,
        /// By the device.
        signature: Signature,
        /// The input.
        data: Bytes,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
    /// A publisher's artifact, which is here whole.
    Publish {
        /// Digest of its contents.
        contents: Digest,
        /// Bytes of its blobs.
        bytes: u64,
        /// A repository that has it, too.
        registry: Option<String>,
        /// For the answer.
        reply: oneshot::Sender<Answer>,
    },
}

/// The way to the agent; clones are the same one.
#[derive(Clone)]
pub(crate) struct Control(mpsc::Sender<Call>);

impl Control {
    /// A way and its end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Call>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Hands a device's request to the agent.
    pub(crate) async fn submit(
        &self,
        body: RequestBody,
        signature: Signature,
        data: Bytes,
    ) -> Answer {
        self.call(|reply| Call::Submit { body: Box::new(body), signature, data, reply }).await
    }

    /// Hands an artifact to the agent.
    pub(crate) async fn publish(
        &self,
        contents: Digest,
        bytes: u64,
        registry: Option<String>,
    ) -> Answer {
        // Larger artifacts take longer to reach the validators, as the agent says.
        let timeout = ANSWER_TIMEOUT + Duration::from_millis(bytes / 1_024);
        self.call_for(timeout, |reply| Call::Publish { contents, bytes, registry, reply }).await
    }

    async fn call(&self, call: impl FnOnce(oneshot::Sender<Answer>) -> Call) -> Answer {
        self.call_for(ANSWER_TIMEOUT, call).await
    }

    async fn call_for(
        &self,
        timeout: Duration,
        call: impl FnOnce(oneshot::Sender<Answer>) -> Call,
    ) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.0.try_send(call(reply)).is_err() {
            return Answer::Unavailable("this node is busy or stopping; try again".to_owned());
        }
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Answer::Unavailable("this node gave no answer in time; try again".to_owned()),
        }
    }
}

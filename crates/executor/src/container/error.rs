//! What can go wrong with a container. Texts are bounded: they come from engines and
//! applications.

use crate::text::shorten;
use std::time::Duration;

/// An image, a container or a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// No engine answers.
    #[error("the container engine does not answer ({reason}); is it running?")]
    EngineDown {
        /// What the connection said.
        reason: String,
    },
    /// The engine refused.
    #[error("the container engine refused to {action}: {reason}")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// What it said.
        reason: String,
    },
    /// An image is not what it should be.
    #[error("the image can't be loaded: {reason}")]
    Image {
        /// What is wrong.
        reason: String,
    },
    /// A container did not get to take connections.
    #[error("the container did not start: {reason}; log: {log}")]
    NotStarted {
        /// How it ended, or that its time was over.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// No container of the application runs, and none does in time.
    #[error("no container of {app} is running: {reason}")]
    NotRunning {
        /// The application.
        app: String,
        /// How the last one ended.
        reason: String,
    },
    /// Too many calls were there before.
    #[error("{waiting} other calls of {app} run or wait")]
    Busy {
        /// The application.
        app: String,
        /// How many, when the call came.
        waiting: usize,
    },
    /// The input is too large.
    #[error("the input has {got_bytes} bytes, at most {max_bytes} are allowed")]
    InputTooLarge {
        /// Its length.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// No whole answer came in time.
    #[error("no answer within {} ms", timeout.as_millis())]
    Timeout {
        /// The limit.
        timeout: Duration,
    },
    /// The answer is too large.
    #[error("the answer has more than {max_bytes} bytes")]
    AnswerTooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The connection ended before an object was whole.
    #[error("the connection ended after {got_bytes} bytes of the answer: {reason}")]
    Broken {
        /// How much came.
        got_bytes: usize,
        /// What the connection said.
        reason: String,
    },
    /// Nothing took the connection.
    #[error("nothing listens in the container: {reason}")]
    Unheard {
        /// What the connection said.
        reason: String,
    },
    /// What came is no output.
    #[error("the answer is no output: {reason}")]
    BadAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// The application says so itself.
    #[error("the application reports an error: {message}")]
    App {
        /// What it said.
        message: String,
    },
}

impl ContainerError {
    /// Whether the application is to blame, and another try here gives the same.
    #[must_use]
    pub const fn blames_application(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::AnswerTooLarge { .. }
                | Self::Broken { .. }
                | Self::Unheard { .. }
                | Self::BadAnswer { .. }
                | Self::App { .. }
                | Self::InputTooLarge { .. }
                | Self::NotStarted { .. }
                | Self::Image { .. }
        )
    }

    pub(crate) fn of(action: &'static str, error: &bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { message, .. } => {
                Self::Engine { action, reason: shorten(message.clone()) }
            }
            Error::DockerStreamError { error } => {
                Self::Engine { action, reason: shorten(error.clone()) }
            }
            Error::JsonDataError { message, .. } => {
                Self::Engine { action, reason: shorten(format!("it answered {message}")) }
            }
            other => Self::EngineDown { reason: shorten(other.to_string()) },
        }
    }
}

//! What handlers need.

use crate::actions::Once;
use crate::pace::Tokens;
use crate::shared::Shared;
use crate::source::Source;
use crate::token::Token;
use std::sync::Arc;

/// What handlers need.
pub struct App {
    /// What is known.
    pub shared: Arc<Shared>,
    /// For what a reader asks for: downloads, and actions.
    pub source: Source,
    /// How often AWS may be asked.
    pub tokens: Tokens,
    /// The values of forms.
    pub once: Once,
    /// Held while a run is started.
    pub starting: tokio::sync::Mutex<()>,
    /// The port that it listens on.
    pub port: u16,
    /// What lets a browser in.
    pub token: Token,
    /// Whether the stack is on an account.
    pub is_account: bool,
}

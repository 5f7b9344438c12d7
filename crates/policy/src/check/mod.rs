//! From text to a checked tree: parse, then walk CEL's syntax tree once, giving each node a
//! type or refusing it with a sentence.
//!
//! - `walk`: literals, names, fields, lists;
//! - `calls`: operators and functions;
//! - `loops`: `all`, `exists`, `exists_one`, `filter`, `map`.
//!
//! Everything that is not named there is refused: an allow-list, so that a newer parser can't
//! bring in something new unseen.

mod calls;
mod loops;
mod walk;

use crate::{
    error::PolicyError,
    expr::Expr,
    fields::{Item, Type},
    scan,
};
use cel::{ParseErrors, parser::PrattParser};
use trustmesh_types::{limits, policy::PolicyScope};

/// A checked expression.
pub(crate) struct Checked {
    pub expr: Expr,
    pub reads_load: bool,
    /// Names of labels that it reads, where they are written out.
    pub labels: Vec<String>,
}

/// What is known while a tree is walked.
struct Walk {
    scope: PolicyScope,
    /// Variables of the loops around, outermost first.
    locals: Vec<(String, Item)>,
    nodes: usize,
    reads_load: bool,
    labels: Vec<String>,
}

/// An expression and its type.
type Typed = (Expr, Type);

/// Reads and checks an expression.
pub(crate) fn check(text: &str, scope: PolicyScope) -> Result<Checked, PolicyError> {
    scan::check(text)?;
    // The scan bounds what the parser recurses on; its own bound comes on top.
    let recursion = u16::try_from(limits::POLICY_BRACKETS_MAX * 4).unwrap_or(u16::MAX);
    let parser = PrattParser::new().max_recursion_depth(recursion);
    let tree = parser.parse(text).map_err(|errors| syntax(&errors))?;
    let mut walk =
        Walk { scope, locals: Vec::new(), nodes: 0, reads_load: false, labels: Vec::new() };
    let (expr, of) = walk.walk(&tree, 0)?;
    if of != Type::Bool {
        return Err(PolicyError::types(format!(
            "the expression is of type {of}; a policy is true or false, so compare it with \
             something"
        )));
    }
    Ok(Checked { expr, reads_load: walk.reads_load, labels: walk.labels })
}

/// The parser's first complaint, without its picture of the line.
fn syntax(errors: &ParseErrors) -> PolicyError {
    let place = |at: isize| usize::try_from(at).unwrap_or(0);
    match errors.errors.first() {
        Some(error) => PolicyError::Syntax {
            line: place(error.pos.0),
            column: place(error.pos.1),
            what: crate::error::cut(error.msg.trim_start_matches("Syntax error: ")),
        },
        None => PolicyError::Syntax { line: 0, column: 0, what: "no expression".to_owned() },
    }
}

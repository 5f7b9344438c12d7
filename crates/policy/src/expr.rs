//! The tree that is evaluated: CEL after type checking, without anything that a policy may
//! not use. Operands have the types that the operator takes.

use crate::fields::{Field, Root};

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Expr>),
    Root(Root),
    /// The variable of the loop at this depth, outermost first.
    Local(usize),
    Field(Box<Expr>, Field),
    /// The value of a label; empty when there is none.
    Label(Box<[Expr; 2]>),
    /// Whether a node has a label: the labels, then its name.
    HasLabel(Box<[Expr; 2]>),
    /// Whether a list has an element: the element, then the list.
    In(Box<[Expr; 2]>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    /// Condition, then, else.
    If(Box<[Expr; 3]>),
    Arithmetic(Arithmetic, Box<[Expr; 2]>),
    Compare(Compare, Box<[Expr; 2]>),
    /// Length of a list, or of a text in characters.
    Size(Box<Expr>),
    /// A question about a text: the text, then the other one.
    Text2(Text2, Box<[Expr; 2]>),
    /// The different elements of a list, in the order of their first places.
    Distinct(Box<Expr>),
    Sum(Box<Expr>),
    Loop(Loop, Box<[Expr; 3]>),
}

/// Operators on two ints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Comparisons of two values of one scalar type; order for ints and texts only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Questions about two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text2 {
    StartsWith,
    EndsWith,
    Contains,
}

/// What a loop makes of its three parts: the list, the condition on each element, and, for
/// [`Loop::Map`], what to make of those that meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

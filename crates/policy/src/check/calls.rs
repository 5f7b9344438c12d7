//! Operators and functions: an allow-list, each with the types that it takes.

use super::{Typed, Walk};
use crate::{
    error::{PolicyError, cut},
    expr::{Arithmetic, Compare, Expr, Text2},
    fields::{Item, Type},
};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, operators},
};

/// What there is to call, for messages.
const FUNCTIONS: &str = "size(x), label(node, name), distinct(list), sum(list), \
    text.startsWith(part), text.endsWith(part), text.contains(part), list.all(x, …), \
    list.exists(x, …), list.exists_one(x, …), list.filter(x, …), list.map(x, …)";

impl Walk {
    pub(super) fn call(&mut self, call: &CallExpr, depth: usize) -> Result<Typed, PolicyError> {
        let name = call.func_name.as_str();
        let mut arguments = Vec::with_capacity(call.args.len().saturating_add(1));
        for tree in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
            arguments.push(self.argument(name, tree, depth)?);
        }
        let method = call.target.is_some();
        match <[Typed; 1]>::try_from(arguments) {
            Ok([one]) => self.unary(name, one),
            Err(arguments) => match <[Typed; 2]>::try_from(arguments) {
                Ok(two) => self.binary(name, method, two),
                Err(arguments) => match <[Typed; 3]>::try_from(arguments) {
                    Ok(three) if name == operators::CONDITIONAL => conditional(three),
                    _ => Err(unknown(name)),
                },
            },
        }
    }

    /// An unknown function is named before its arguments are looked at.
    fn argument(
        &mut self,
        function: &str,
        tree: &IdedExpr,
        depth: usize,
    ) -> Result<Typed, PolicyError> {
        if known(function) { self.walk(tree, depth) } else { Err(unknown(function)) }
    }

    fn unary(&mut self, name: &str, (it, of): Typed) -> Result<Typed, PolicyError> {
        let one = Box::new(it);
        match (name, of) {
            (operators::LOGICAL_NOT, Type::Bool) => Ok((Expr::Not(one), Type::Bool)),
            (operators::NEGATE, Type::Int) => Ok((Expr::Negate(one), Type::Int)),
            ("size", Type::List(_) | Type::Text) => Ok((Expr::Size(one), Type::Int)),
            ("sum", Type::List(Item::Int)) => Ok((Expr::Sum(one), Type::Int)),
            ("distinct", Type::List(Item::Bool | Item::Int | Item::Text)) => {
                Ok((Expr::Distinct(one), of))
            }
            _ if known(name) => Err(wrong(name, &[of])),
            _ => Err(unknown(name)),
        }
    }

    fn binary(
        &mut self,
        name: &str,
        method: bool,
        [left, right]: [Typed; 2],
    ) -> Result<Typed, PolicyError> {
        if name == operators::INDEX || name == "label" {
            return self.label(left, right);
        }
        let of = (left.1, right.1);
        let both = Box::new([left.0, right.0]);
        if let Some(operator) = arithmetic(name) {
            if of != (Type::Int, Type::Int) {
                return Err(wrong(name, &[of.0, of.1]));
            }
            let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Modulo);
            if divides && matches!(*both, [_, Expr::Int(0)]) {
                return Err(PolicyError::types("nothing can be divided by 0"));
            }
            return Ok((Expr::Arithmetic(operator, both), Type::Int));
        }
        if let Some(operator) = comparison(name) {
            let equality = matches!(operator, Compare::Equal | Compare::NotEqual);
            let fits = of.0 == of.1 && of.0.scalar() && (equality || of.0 != Type::Bool);
            let compared = Expr::Compare(operator, both);
            return if fits { Ok((compared, Type::Bool)) } else { Err(wrong(name, &[of.0, of.1])) };
        }
        let question = match name {
            "startsWith" => Some(Text2::StartsWith),
            "endsWith" => Some(Text2::EndsWith),
            "contains" => Some(Text2::Contains),
            _ => None,
        };
        if let Some(question) = question.filter(|_| method && of == (Type::Text, Type::Text)) {
            return Ok((Expr::Text2(question, both), Type::Bool));
        }
        match (name, of) {
            (operators::LOGICAL_AND, (Type::Bool, Type::Bool)) => Ok((Expr::And(both), Type::Bool)),
            (operators::LOGICAL_OR, (Type::Bool, Type::Bool)) => Ok((Expr::Or(both), Type::Bool)),
            (operators::IN, (element, Type::List(item)))
                if element == Type::from(item) && element.scalar() =>
            {
                Ok((Expr::In(both), Type::Bool))
            }
            (operators::IN, (Type::Text, Type::Labels)) => {
                let [name, labels] = *both;
                if let Expr::Text(name) = &name {
                    self.labels.push(name.clone());
                }
                Ok((Expr::HasLabel(Box::new([labels, name])), Type::Bool))
            }
            _ if known(name) => Err(wrong(name, &[of.0, of.1])),
            _ => Err(unknown(name)),
        }
    }
}

fn conditional(three: [Typed; 3]) -> Result<Typed, PolicyError> {
    let [(condition, first), (then, of), (other, also)] = three;
    if first == Type::Bool && of == also {
        return Ok((Expr::If(Box::new([condition, then, other])), of));
    }
    Err(wrong(operators::CONDITIONAL, &[first, of, also]))
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    match name {
        operators::ADD => Some(Arithmetic::Add),
        operators::SUBSTRACT => Some(Arithmetic::Subtract),
        operators::MULTIPLY => Some(Arithmetic::Multiply),
        operators::DIVIDE => Some(Arithmetic::Divide),
        operators::MODULO => Some(Arithmetic::Modulo),
        _ => None,
    }
}

fn comparison(name: &str) -> Option<Compare> {
    match name {
        operators::EQUALS => Some(Compare::Equal),
        operators::NOT_EQUALS => Some(Compare::NotEqual),
        operators::LESS => Some(Compare::Less),
        operators::LESS_EQUALS => Some(Compare::LessOrEqual),
        operators::GREATER => Some(Compare::Greater),
        operators::GREATER_EQUALS => Some(Compare::GreaterOrEqual),
        _ => None,
    }
}

/// What a function or operator takes; `None` for those that there are none of.
fn takes(name: &str) -> Option<&'static str> {
    Some(match name {
        operators::CONDITIONAL => "a bool, then two values of one type",
        operators::LOGICAL_AND | operators::LOGICAL_OR => "two bools",
        operators::LOGICAL_NOT => "a bool",
        operators::NEGATE => "an int",
        operators::INDEX => "a node's labels and a name",
        operators::IN => "a value and a list of its type, or a name and a node's labels",
        "size" => "a list or a string",
        "label" => "a node and a name",
        "sum" => "a list of ints",
        "distinct" => "a list of bools, ints or strings",
        "startsWith" | "endsWith" | "contains" => "a string, and is called on one",
        _ if arithmetic(name).is_some() => "two ints",
        _ => match comparison(name)? {
            Compare::Equal | Compare::NotEqual => "two bools, ints or strings",
            _ => "two ints or two strings",
        },
    })
}

fn known(name: &str) -> bool {
    takes(name).is_some()
}

/// `_&&_` is the tree's name for `&&`.
fn shown(name: &str) -> &str {
    match name {
        operators::CONDITIONAL => "? :",
        operators::INDEX => "[ ]",
        _ => name.trim_matches(['_', '@']),
    }
}

fn wrong(name: &str, got: &[Type]) -> PolicyError {
    let got: Vec<String> = got.iter().map(ToString::to_string).collect();
    let takes = takes(name).unwrap_or("something else");
    PolicyError::types(format!("`{}` takes {takes}; it got {}", shown(name), got.join(", ")))
}

fn unknown(name: &str) -> PolicyError {
    match name {
        "matches" => PolicyError::unsupported(
            "a regular expression",
            "use `==`, `in`, `startsWith`, `endsWith` or `contains`",
        ),
        "timestamp" | "duration" => PolicyError::unsupported(
            "time",
            "policies see no clock; amounts of time are whole milliseconds",
        ),
        "double" | "uint" | "int" | "string" | "bytes" | "dyn" | "type" => {
            PolicyError::unsupported("a conversion of types", "compare values of one type")
        }
        _ if takes(name).is_some() => PolicyError::types(format!(
            "`{}` takes {}",
            shown(name),
            takes(name).unwrap_or_default()
        )),
        _ => PolicyError::Unknown {
            what: "function",
            name: cut(shown(name)),
            place: String::new(),
            known: FUNCTIONS.to_owned(),
        },
    }
}

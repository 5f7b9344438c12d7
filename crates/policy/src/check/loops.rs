//! The loops. The parser expands each macro into a fold with an accumulator that no text can
//! name (`@result`); the folds of the allowed macros are recognised by their shape, and
//! nothing else is a loop.

use super::{Typed, Walk};
use crate::{
    error::PolicyError,
    expr::{Expr, Loop},
    fields::Type,
};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, Expr as Tree, LiteralValue, operators},
};
use trustmesh_types::limits;

/// A recognised loop: what kind, the condition on an element, what to make of it.
struct Shape<'a> {
    kind: Loop,
    condition: Option<&'a IdedExpr>,
    make: Option<&'a IdedExpr>,
}

impl Walk {
    pub(super) fn comprehension(
        &mut self,
        it: &ComprehensionExpr,
        depth: usize,
    ) -> Result<Typed, PolicyError> {
        let Some(shape) = shape(it) else {
            return Err(PolicyError::unsupported(
                "this kind of loop",
                "use `all`, `exists`, `exists_one`, `filter` or `map`",
            ));
        };
        let (list, of) = self.walk(&it.iter_range, depth)?;
        let Type::List(item) = of else {
            let advice = if of == Type::Labels { "; look labels up by name" } else { "" };
            return Err(PolicyError::types(format!("a loop goes over a list, not a {of}{advice}")));
        };
        self.free_name(&it.iter_var)?;
        if self.locals.len() >= limits::POLICY_LOOPS_MAX {
            return Err(PolicyError::TooLarge {
                what: "loops inside each other, in number",
                got: self.locals.len().saturating_add(1),
                max: limits::POLICY_LOOPS_MAX,
            });
        }
        self.locals.push((it.iter_var.clone(), item));
        let parts = self.parts(&shape, depth);
        self.locals.pop();
        let (condition, make, made) = parts?;
        let of = match shape.kind {
            Loop::All | Loop::Exists | Loop::ExistsOne => Type::Bool,
            Loop::Filter => of,
            Loop::Map => Type::List(made.item().ok_or_else(|| {
                PolicyError::types(format!("`map` can't make a list of values of type {made}"))
            })?),
        };
        Ok((Expr::Loop(shape.kind, Box::new([list, condition, make])), of))
    }

    fn parts(
        &mut self,
        shape: &Shape<'_>,
        depth: usize,
    ) -> Result<(Expr, Expr, Type), PolicyError> {
        let condition = match shape.condition {
            None => Expr::Bool(true),
            Some(tree) => {
                let (condition, of) = self.walk(tree, depth)?;
                if of != Type::Bool {
                    return Err(PolicyError::types(format!(
                        "a loop's condition is a bool, not a {of}"
                    )));
                }
                condition
            }
        };
        let (make, made) = match shape.make {
            None => (Expr::Bool(true), Type::Bool),
            Some(tree) => self.walk(tree, depth)?,
        };
        Ok((condition, make, made))
    }
}

fn shape(it: &ComprehensionExpr) -> Option<Shape<'_>> {
    if it.iter_var2.is_some() || it.accu_var != "@result" {
        return None;
    }
    match (&it.accu_init.expr, &it.loop_step.expr) {
        (Tree::Literal(LiteralValue::Boolean(start)), Tree::Call(step)) => {
            let kind = if *start.inner() { Loop::All } else { Loop::Exists };
            let name = if *start.inner() { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
            let [accumulated, condition] = step.args.as_slice() else { return None };
            let fits = is_call(step, name) && is_accumulator(accumulated);
            fits.then_some(Shape { kind, condition: Some(condition), make: None })
        }
        (Tree::Literal(LiteralValue::Int(_)), Tree::Call(step)) => {
            let [condition, _, accumulated] = step.args.as_slice() else { return None };
            let fits = is_call(step, operators::CONDITIONAL) && is_accumulator(accumulated);
            let kind = Loop::ExistsOne;
            fits.then_some(Shape { kind, condition: Some(condition), make: None })
        }
        (Tree::List(start), Tree::Call(step)) if start.elements.is_empty() => {
            collecting(step, &it.iter_var)
        }
        _ => None,
    }
}

/// `map`, with a condition or without, and `filter`, which is a map to the element itself.
fn collecting<'a>(step: &'a CallExpr, variable: &str) -> Option<Shape<'a>> {
    let (condition, step) = match step.args.as_slice() {
        [condition, then, accumulated] if is_call(step, operators::CONDITIONAL) => {
            let Tree::Call(then) = &then.expr else { return None };
            is_accumulator(accumulated).then_some((Some(condition), then))?
        }
        _ => (None, step),
    };
    let [accumulated, added] = step.args.as_slice() else { return None };
    let Tree::List(added) = &added.expr else { return None };
    let [make] = added.elements.as_slice() else { return None };
    if !is_call(step, operators::ADD) || !is_accumulator(accumulated) {
        return None;
    }
    let itself = matches!(&make.expr, Tree::Ident(name) if name == variable);
    Some(match condition {
        Some(_) if itself => Shape { kind: Loop::Filter, condition, make: None },
        _ => Shape { kind: Loop::Map, condition, make: Some(make) },
    })
}

fn is_call(call: &CallExpr, name: &str) -> bool {
    call.target.is_none() && call.func_name == name
}

fn is_accumulator(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Tree::Ident(name) if name == "@result")
}

//! Literals, names, fields and lists.

use super::{Typed, Walk};
use crate::{
    error::{PolicyError, cut},
    expr::Expr,
    fields::{Item, Kind, Reads, Type, fields, roots},
};
use cel::{
    IdedExpr,
    common::ast::{Expr as Tree, ListExpr, LiteralValue, SelectExpr},
};
use trustmesh_types::limits;

impl Walk {
    /// Counts a node and gives its type. `depth` bounds this function's own recursion.
    pub(super) fn walk(&mut self, tree: &IdedExpr, depth: usize) -> Result<Typed, PolicyError> {
        self.nodes = self.nodes.saturating_add(1);
        let too_large = |what, got, max| Err(PolicyError::TooLarge { what, got, max });
        if self.nodes > limits::POLICY_NODES_MAX {
            let max = limits::POLICY_NODES_MAX;
            return too_large("operators and values, in number", self.nodes, max);
        }
        if depth > limits::POLICY_DEPTH_MAX {
            let max = limits::POLICY_DEPTH_MAX;
            return too_large("operators inside each other, in number", depth, max);
        }
        let depth = depth.saturating_add(1);
        match &tree.expr {
            Tree::Literal(value) => literal(value),
            Tree::Ident(name) => self.variable(name),
            Tree::Select(select) => self.select(select, depth),
            Tree::Call(call) => self.call(call, depth),
            Tree::List(list) => self.list(list, depth),
            Tree::Comprehension(it) => self.comprehension(it, depth),
            Tree::Map(_) | Tree::Struct(_) => {
                Err(PolicyError::unsupported("a map or message", "write a list"))
            }
            Tree::Unspecified => {
                Err(PolicyError::unsupported("an empty expression", "write a value there"))
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Typed, PolicyError> {
        if let Some(at) = self.locals.iter().position(|(local, _)| local == name) {
            let of = self.locals.get(at).map_or(Type::Bool, |(_, item)| Type::from(*item));
            return Ok((Expr::Local(at), of));
        }
        if let Some((_, root, of)) = roots(self.scope).find(|(root, ..)| *root == name) {
            return Ok((Expr::Root(root), of));
        }
        let locals = self.locals.iter().map(|(local, _)| local.as_str());
        let known: Vec<&str> = roots(self.scope).map(|(root, ..)| root).chain(locals).collect();
        Err(PolicyError::Unknown {
            what: "variable",
            name: cut(name),
            place: format!(" in scope `{}`", self.scope),
            known: known.join(", "),
        })
    }

    /// Whether a loop may call its variable so.
    pub(super) fn free_name(&self, name: &str) -> Result<(), PolicyError> {
        let taken = self.locals.iter().any(|(local, _)| local == name)
            || roots(self.scope).any(|(root, ..)| root == name);
        if !taken {
            return Ok(());
        }
        let what = format!("`{}` as a loop's variable, which is a variable already,", cut(name));
        Err(PolicyError::unsupported(what, "choose another name"))
    }

    fn select(&mut self, select: &SelectExpr, depth: usize) -> Result<Typed, PolicyError> {
        let (operand, of) = self.walk(&select.operand, depth)?;
        match of {
            Type::Labels => {
                self.labels.push(select.field.clone());
                let pair = Box::new([operand, Expr::Text(select.field.clone())]);
                if select.test {
                    Ok((Expr::HasLabel(pair), Type::Bool))
                } else {
                    Ok((Expr::Label(pair), Type::Text))
                }
            }
            Type::Object(_) if select.test => Err(PolicyError::unsupported(
                "`has` of a field",
                "every field is always there; ask `has(node.labels.zone)` of labels only",
            )),
            Type::Object(kind) => self.field(operand, kind, &select.field),
            other => Err(PolicyError::types(format!(
                "a {other} has no fields, and `.{}` asks for one",
                cut(&select.field)
            ))),
        }
    }

    fn field(&mut self, operand: Expr, kind: Kind, name: &str) -> Result<Typed, PolicyError> {
        let Some(row) = fields(kind, self.scope).find(|row| row.name == name) else {
            let known: Vec<&str> = fields(kind, self.scope).map(|row| row.name).collect();
            return Err(PolicyError::Unknown {
                what: "field",
                name: cut(name),
                place: format!(" of a {kind} in scope `{}`", self.scope),
                known: known.join(", "),
            });
        };
        self.reads_load |= row.reads == Reads::Load;
        Ok((Expr::Field(Box::new(operand), row.field), row.of))
    }

    /// `labels[name]` and `label(node, name)`.
    pub(super) fn label(&mut self, labels: Typed, name: Typed) -> Result<Typed, PolicyError> {
        let labels = match labels {
            (node, Type::Object(Kind::Node)) => self.field(node, Kind::Node, "labels")?.0,
            (labels, Type::Labels) => labels,
            (_, other) => {
                return Err(PolicyError::types(format!(
                    "labels are looked up in a node's `labels`, not in a {other}; to look at a \
                     list's elements use `exists`, `all` or `filter`"
                )));
            }
        };
        let (name, of) = name;
        if of != Type::Text {
            return Err(PolicyError::types(format!("a label's name is a string, not a {of}")));
        }
        if let Expr::Text(name) = &name {
            self.labels.push(name.clone());
        }
        Ok((Expr::Label(Box::new([labels, name])), Type::Text))
    }

    fn list(&mut self, list: &ListExpr, depth: usize) -> Result<Typed, PolicyError> {
        let mut elements = Vec::with_capacity(list.elements.len());
        let mut item: Option<Item> = None;
        for element in &list.elements {
            let (expr, of) = self.walk(element, depth)?;
            let this = of.item().ok_or_else(|| {
                PolicyError::types(format!("a list can't have elements of type {of}"))
            })?;
            if *item.get_or_insert(this) != this {
                return Err(PolicyError::types(format!(
                    "a list's elements are of one type; one is of type {of}, the first is not"
                )));
            }
            elements.push(expr);
        }
        match item {
            Some(item) if list.optional_indices.is_empty() => {
                Ok((Expr::List(elements), Type::List(item)))
            }
            Some(_) => Err(PolicyError::unsupported("an optional element", "write it out")),
            None => Err(PolicyError::unsupported(
                "a list without elements",
                "its type isn't known; compare `size(…)` with 0",
            )),
        }
    }
}

fn literal(value: &LiteralValue) -> Result<Typed, PolicyError> {
    match value {
        LiteralValue::Boolean(value) => Ok((Expr::Bool(*value.inner()), Type::Bool)),
        LiteralValue::Int(value) => Ok((Expr::Int(*value.inner()), Type::Int)),
        LiteralValue::String(value) => Ok((Expr::Text(value.inner().to_owned()), Type::Text)),
        LiteralValue::Double(_) => Err(PolicyError::unsupported(
            "a floating-point number",
            "write whole numbers: `a * 100 <= b * 80` in place of `a <= b * 0.8`",
        )),
        LiteralValue::UInt(_) => {
            Err(PolicyError::unsupported("an unsigned number", "leave out the `u`"))
        }
        LiteralValue::Bytes(_) => Err(PolicyError::unsupported("bytes", "write a string")),
        LiteralValue::Null => {
            Err(PolicyError::unsupported("null", "every value is there; a missing label is \"\""))
        }
    }
}

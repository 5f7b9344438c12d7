//! Evaluation. Every node evaluated and every list element looked at is a counted step; at
//! the bound it ends. Recursion is as deep as the tree, which is bounded.
//!
//! As in CEL, `&&` and `||` (and `all` and `exists`) forgive a failure of one side when the
//! other side decides; running out of steps is never forgiven.

use crate::{
    expr::{Arithmetic, Compare, Expr, Loop, Text2},
    facts::{NodeFacts, PlanFacts, RequestFacts, TaskFacts},
    fields::{Field as F, Root},
};
use std::{collections::BTreeMap, rc::Rc};

/// Why an evaluation came to no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A number over 2⁶³ − 1 or under −2⁶³.
    #[error("a number grew over the range of 64 bits")]
    Overflow,
    /// Division or remainder by zero.
    #[error("something was divided by zero")]
    DivisionByZero,
    /// More work than a policy may make.
    #[error("it takes more than {} steps", trustmesh_types::limits::POLICY_STEPS_MAX)]
    Steps,
    /// A value of another type than the checker said: an error of ours.
    #[error("a value had an unexpected type; report this")]
    Type,
}

/// A value; everything but lists is borrowed from the facts or the expression.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Labels(&'a BTreeMap<String, String>),
    List(Rc<[Value<'a>]>),
    Request(&'a RequestFacts),
    Workflow(&'a PlanFacts),
    Task(&'a TaskFacts),
    Node(&'a NodeFacts),
    Assignment(&'a PlanFacts, usize),
}

/// What the variables of an expression stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scene<'a> {
    Assignment { request: &'a RequestFacts, task: &'a TaskFacts, node: &'a NodeFacts },
    Plan(&'a PlanFacts),
}

/// One evaluation.
pub(crate) struct Eval<'a, 's> {
    scene: Scene<'a>,
    locals: Vec<Value<'a>>,
    steps: &'s mut u64,
}

type Outcome<'a> = Result<Value<'a>, Failure>;

/// Whether an expression is true; `steps` are those left, and go down.
pub(crate) fn holds(expr: &Expr, scene: Scene<'_>, steps: &mut u64) -> Result<bool, Failure> {
    Eval { scene, locals: Vec::new(), steps }.bool(expr)
}

fn int(amount: u64) -> Value<'static> {
    Value::Int(i64::try_from(amount).unwrap_or(i64::MAX))
}

impl<'a> Eval<'a, '_> {
    fn step(&mut self) -> Result<(), Failure> {
        self.steps_of(1)
    }

    fn steps_of(&mut self, count: usize) -> Result<(), Failure> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        *self.steps = self.steps.checked_sub(count).ok_or(Failure::Steps)?;
        Ok(())
    }

    fn value(&mut self, expr: &'a Expr) -> Outcome<'a> {
        self.step()?;
        match expr {
            Expr::Bool(value) => Ok(Value::Bool(*value)),
            Expr::Int(value) => Ok(Value::Int(*value)),
            Expr::Text(text) => Ok(Value::Text(text)),
            Expr::List(elements) => {
                let list: Result<Rc<[Value<'a>]>, Failure> =
                    elements.iter().map(|element| self.value(element)).collect();
                list.map(Value::List)
            }
            Expr::Root(root) => self.root(*root),
            Expr::Local(at) => self.locals.get(*at).cloned().ok_or(Failure::Type),
            Expr::Field(operand, field) => {
                let operand = self.value(operand)?;
                self.field(&operand, *field)
            }
            Expr::Label(pair) => {
                let (labels, name) = self.labels(pair)?;
                Ok(Value::Text(labels.get(name).map_or("", String::as_str)))
            }
            Expr::HasLabel(pair) => {
                let (labels, name) = self.labels(pair)?;
                Ok(Value::Bool(labels.contains_key(name)))
            }
            Expr::If(three) => {
                let [condition, then, other] = three.as_ref();
                if self.bool(condition)? { self.value(then) } else { self.value(other) }
            }
            Expr::Negate(one) => {
                self.int(one)?.checked_neg().map(Value::Int).ok_or(Failure::Overflow)
            }
            Expr::Arithmetic(operator, both) => self.arithmetic(*operator, both),
            Expr::Size(one) => self.size(one),
            Expr::Distinct(one) => self.distinct(one),
            Expr::Sum(one) => self.sum(one),
            Expr::Loop(kind @ (Loop::Filter | Loop::Map), parts) => self.collect(*kind, parts),
            Expr::In(_)
            | Expr::Not(_)
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Compare(..)
            | Expr::Text2(..)
            | Expr::Loop(..) => self.question(expr).map(Value::Bool),
        }
    }

    /// What is true or false whatever it is asked of.
    fn question(&mut self, expr: &'a Expr) -> Result<bool, Failure> {
        match expr {
            Expr::Not(one) => Ok(!self.bool(one)?),
            Expr::And(both) => {
                let [left, right] = both.as_ref();
                let left = self.bool(left);
                self.decide(left, false, right)
            }
            Expr::Or(both) => {
                let [left, right] = both.as_ref();
                let left = self.bool(left);
                self.decide(left, true, right)
            }
            Expr::In(both) => {
                let [element, list] = both.as_ref();
                let (element, list) = (self.value(element)?, self.list(list)?);
                self.steps_of(list.len())?;
                Ok(list.iter().any(|other| equal(&element, other) == Some(true)))
            }
            Expr::Compare(operator, both) => {
                let [left, right] = both.as_ref();
                let (left, right) = (self.value(left)?, self.value(right)?);
                compare(*operator, &left, &right)
            }
            Expr::Text2(question, both) => {
                let [text, part] = both.as_ref();
                let (text, part) = (self.text(text)?, self.text(part)?);
                Ok(match question {
                    Text2::StartsWith => text.starts_with(part),
                    Text2::EndsWith => text.ends_with(part),
                    Text2::Contains => text.contains(part),
                })
            }
            Expr::Loop(kind, parts) => self.ask_all(*kind, parts),
            _ => Err(Failure::Type),
        }
    }

    /// The other side of `&&` or `||`, unless the left one decides by itself.
    fn decide(
        &mut self,
        left: Result<bool, Failure>,
        decides: bool,
        right: &'a Expr,
    ) -> Result<bool, Failure> {
        match left {
            Ok(value) if value == decides => Ok(value),
            Ok(_) => self.bool(right),
            Err(Failure::Steps) => Err(Failure::Steps),
            Err(failure) => match self.bool(right)? {
                value if value == decides => Ok(value),
                _ => Err(failure),
            },
        }
    }

    /// `all`, `exists` and `exists_one`.
    fn ask_all(&mut self, kind: Loop, parts: &'a [Expr; 3]) -> Result<bool, Failure> {
        let [list, condition, _] = parts;
        let list = self.list(list)?;
        let (mut failed, mut met) = (None, 0_u64);
        for element in list.iter() {
            match (kind, self.with(element, condition)) {
                (Loop::All, Ok(false)) => return Ok(false),
                (Loop::Exists, Ok(true)) => return Ok(true),
                (_, Ok(true)) => met = met.saturating_add(1),
                (_, Ok(false)) => {}
                (Loop::All | Loop::Exists, Err(failure)) if failure != Failure::Steps => {
                    failed.get_or_insert(failure);
                }
                (_, Err(failure)) => return Err(failure),
            }
        }
        match failed {
            Some(failure) => Err(failure),
            None => Ok(match kind {
                Loop::ExistsOne => met == 1,
                _ => kind == Loop::All,
            }),
        }
    }

    /// `filter` and `map`.
    fn collect(&mut self, kind: Loop, parts: &'a [Expr; 3]) -> Outcome<'a> {
        let [list, condition, make] = parts;
        let list = self.list(list)?;
        let mut out = Vec::new();
        for element in list.iter() {
            if self.with(element, condition)? {
                out.push(match kind {
                    Loop::Map => {
                        self.locals.push(element.clone());
                        let made = self.value(make);
                        self.locals.pop();
                        made?
                    }
                    _ => element.clone(),
                });
            }
        }
        Ok(Value::List(out.into()))
    }

    /// A condition of one element.
    fn with(&mut self, element: &Value<'a>, condition: &'a Expr) -> Result<bool, Failure> {
        self.step()?;
        self.locals.push(element.clone());
        let met = self.bool(condition);
        self.locals.pop();
        met
    }

    fn bool(&mut self, expr: &'a Expr) -> Result<bool, Failure> {
        match self.value(expr)? {
            Value::Bool(value) => Ok(value),
            _ => Err(Failure::Type),
        }
    }

    fn int(&mut self, expr: &'a Expr) -> Result<i64, Failure> {
        match self.value(expr)? {
            Value::Int(value) => Ok(value),
            _ => Err(Failure::Type),
        }
    }

    fn text(&mut self, expr: &'a Expr) -> Result<&'a str, Failure> {
        match self.value(expr)? {
            Value::Text(text) => Ok(text),
            _ => Err(Failure::Type),
        }
    }

    fn list(&mut self, expr: &'a Expr) -> Result<Rc<[Value<'a>]>, Failure> {
        match self.value(expr)? {
            Value::List(list) => Ok(list),
            _ => Err(Failure::Type),
        }
    }

    fn labels(
        &mut self,
        pair: &'a [Expr; 2],
    ) -> Result<(&'a BTreeMap<String, String>, &'a str), Failure> {
        let [labels, name] = pair;
        match self.value(labels)? {
            Value::Labels(labels) => Ok((labels, self.text(name)?)),
            _ => Err(Failure::Type),
        }
    }

    fn arithmetic(&mut self, operator: Arithmetic, both: &'a [Expr; 2]) -> Outcome<'a> {
        let [left, right] = both;
        let (left, right) = (self.int(left)?, self.int(right)?);
        let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Modulo);
        if divides && right == 0 {
            return Err(Failure::DivisionByZero);
        }
        match operator {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            Arithmetic::Divide => left.checked_div(right),
            Arithmetic::Modulo => left.checked_rem(right),
        }
        .map(Value::Int)
        .ok_or(Failure::Overflow)
    }

    fn size(&mut self, one: &'a Expr) -> Outcome<'a> {
        let size = match self.value(one)? {
            Value::List(list) => list.len(),
            Value::Text(text) => text.chars().count(),
            _ => return Err(Failure::Type),
        };
        i64::try_from(size).map(Value::Int).map_err(|_| Failure::Overflow)
    }

    fn sum(&mut self, one: &'a Expr) -> Outcome<'a> {
        let list = self.list(one)?;
        self.steps_of(list.len())?;
        let mut sum = 0_i64;
        for element in list.iter() {
            let Value::Int(value) = element else { return Err(Failure::Type) };
            sum = sum.checked_add(*value).ok_or(Failure::Overflow)?;
        }
        Ok(Value::Int(sum))
    }

    fn distinct(&mut self, one: &'a Expr) -> Outcome<'a> {
        let list = self.list(one)?;
        let mut out: Vec<Value<'a>> = Vec::new();
        for element in list.iter() {
            self.steps_of(out.len().saturating_add(1))?;
            if !out.iter().any(|other| equal(element, other) == Some(true)) {
                out.push(element.clone());
            }
        }
        Ok(Value::List(out.into()))
    }

    fn root(&mut self, root: Root) -> Outcome<'a> {
        let value = match (self.scene, root) {
            (Scene::Assignment { request, .. }, Root::Request) => Value::Request(request),
            (Scene::Assignment { task, .. }, Root::Task) => Value::Task(task),
            (Scene::Assignment { node, .. }, Root::Node) => Value::Node(node),
            (Scene::Plan(plan), Root::Request) => Value::Request(plan.request()),
            (Scene::Plan(plan), Root::Workflow) => Value::Workflow(plan),
            (Scene::Plan(plan), Root::Nodes) => {
                self.steps_of(plan.nodes().len())?;
                Value::List(plan.nodes().iter().map(Value::Node).collect())
            }
            (Scene::Plan(plan), Root::Assignments) => {
                self.steps_of(plan.len())?;
                Value::List((0..plan.len()).map(|at| Value::Assignment(plan, at)).collect())
            }
            _ => return Err(Failure::Type),
        };
        Ok(value)
    }

    fn field(&mut self, operand: &Value<'a>, field: F) -> Outcome<'a> {
        match operand {
            Value::Request(request) => request_field(request, field),
            Value::Task(task) => task_field(task, field),
            Value::Node(node) => node_field(node, field),
            Value::Workflow(plan) => match field {
                F::WorkflowId => Ok(Value::Text(&plan.request().workflow)),
                F::WorkflowTasks => {
                    self.steps_of(plan.tasks().len())?;
                    Ok(Value::List(plan.tasks().iter().map(Value::Task).collect()))
                }
                _ => Err(Failure::Type),
            },
            Value::Assignment(plan, at) => match (plan.assignment(*at), field) {
                (Some((task, _)), F::AssignmentTask) => Ok(Value::Task(task)),
                (Some((_, node)), F::AssignmentNode) => Ok(Value::Node(node)),
                _ => Err(Failure::Type),
            },
            _ => Err(Failure::Type),
        }
    }
}

fn request_field(request: &RequestFacts, field: F) -> Outcome<'_> {
    Ok(match field {
        F::RequestWorkflow => Value::Text(&request.workflow),
        F::RequestDevice => Value::Text(&request.device),
        F::RequestInputBytes => int(request.input_bytes),
        F::RequestPersist => Value::Bool(request.persist),
        _ => return Err(Failure::Type),
    })
}

fn task_field(task: &TaskFacts, field: F) -> Outcome<'_> {
    Ok(match field {
        F::TaskId => Value::Text(&task.id),
        F::TaskApp => Value::Text(&task.app),
        F::TaskLevel => int(task.level.into()),
        F::TaskReplicas => int(task.replicas.into()),
        F::TaskTimeoutMs => int(task.timeout_ms),
        F::TaskCpuMillis => int(task.requirements.cpu_millis),
        F::TaskMemoryBytes => int(task.requirements.memory_bytes),
        _ => return Err(Failure::Type),
    })
}

fn node_field(node: &NodeFacts, field: F) -> Outcome<'_> {
    Ok(match field {
        F::NodeKey => Value::Text(&node.key),
        F::NodeName => Value::Text(&node.name),
        F::NodeLabels => Value::Labels(&node.labels),
        F::NodeArch => Value::Text(&node.arch),
        F::NodeCpuMillis => int(node.capacity.cpu_millis),
        F::NodeMemoryBytes => int(node.capacity.memory_bytes),
        F::NodeDiskBytes => int(node.capacity.disk_bytes),
        F::NodeAvailableCpuMillis => int(node.available.cpu_millis),
        F::NodeAvailableMemoryBytes => int(node.available.memory_bytes),
        F::NodeReservedCpuMillis => int(node.reserved.cpu_millis),
        F::NodeReservedMemoryBytes => int(node.reserved.memory_bytes),
        F::NodeMisses => int(node.misses.into()),
        F::NodeTasks => int(node.tasks),
        F::NodePlannedCpuMillis => int(node.planned.cpu_millis),
        F::NodePlannedMemoryBytes => int(node.planned.memory_bytes),
        _ => return Err(Failure::Type),
    })
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left == right),
        (Value::Int(left), Value::Int(right)) => Some(left == right),
        (Value::Text(left), Value::Text(right)) => Some(left == right),
        _ => None,
    }
}

/// Texts are ordered by their bytes in UTF-8, which is the order of their code points.
fn compare(operator: Compare, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    let ordering = match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => return Err(Failure::Type),
    };
    Ok(match operator {
        Compare::Equal => ordering.is_eq(),
        Compare::NotEqual => ordering.is_ne(),
        Compare::Less => ordering.is_lt(),
        Compare::LessOrEqual => ordering.is_le(),
        Compare::Greater => ordering.is_gt(),
        Compare::GreaterOrEqual => ordering.is_ge(),
    })
}

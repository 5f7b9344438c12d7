//! What an expression may read: variables, the fields of objects, and their types.
//!
//! One table, so that the checker, the evaluator and the messages agree. Amounts are whole
//! numbers in the unit that the name ends with.

use trustmesh_types::policy::PolicyScope;

/// A type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int,
    Text,
    /// A node's labels: a map from text to text that can be looked into, not walked.
    Labels,
    Object(Kind),
    List(Item),
}

/// A type of a list's elements; there are no lists of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Bool,
    Int,
    Text,
    Object(Kind),
}

/// An object with named fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Workflow,
    Task,
    Node,
    Assignment,
}

/// A variable of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Request,
    Task,
    Node,
    Workflow,
    Assignments,
    Nodes,
}

/// A field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    RequestWorkflow,
    RequestDevice,
    RequestInputBytes,
    RequestPersist,
    WorkflowId,
    WorkflowTasks,
    TaskId,
    TaskApp,
    TaskLevel,
    TaskReplicas,
    TaskTimeoutMs,
    TaskCpuMillis,
    TaskMemoryBytes,
    NodeKey,
    NodeName,
    NodeLabels,
    NodeArch,
    NodeCpuMillis,
    NodeMemoryBytes,
    NodeDiskBytes,
    NodeAvailableCpuMillis,
    NodeAvailableMemoryBytes,
    NodeReservedCpuMillis,
    NodeReservedMemoryBytes,
    NodeMisses,
    NodeTasks,
    NodePlannedCpuMillis,
    NodePlannedMemoryBytes,
    AssignmentTask,
    AssignmentNode,
}

/// What reading a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Labels, capacity, workflow, request.
    Plain,
    /// Load, which changes by itself: a rule that reads it is never a fault (C7).
    Load,
    /// The plan as a whole: not known of one assignment.
    Planned,
}

/// A field's row.
pub(crate) struct Row {
    pub kind: Kind,
    pub name: &'static str,
    pub field: Field,
    pub of: Type,
    pub reads: Reads,
}

const fn row(kind: Kind, name: &'static str, field: Field, of: Type, reads: Reads) -> Row {
    Row { kind, name, field, of, reads }
}

use Field as F;
use Kind::{Assignment, Node, Request, Task, Workflow};
use Reads::{Load, Plain, Planned};
use Type::{Bool, Int, Text};

static FIELDS: [Row; 30] = [
    row(Request, "workflow", F::RequestWorkflow, Text, Plain),
    row(Request, "device", F::RequestDevice, Text, Plain),
    row(Request, "input_bytes", F::RequestInputBytes, Int, Plain),
    row(Request, "persist", F::RequestPersist, Bool, Plain),
    row(Workflow, "id", F::WorkflowId, Text, Plain),
    row(Workflow, "tasks", F::WorkflowTasks, Type::List(Item::Object(Task)), Plain),
    row(Task, "id", F::TaskId, Text, Plain),
    row(Task, "app", F::TaskApp, Text, Plain),
    row(Task, "level", F::TaskLevel, Int, Plain),
    row(Task, "replicas", F::TaskReplicas, Int, Plain),
    row(Task, "timeout_ms", F::TaskTimeoutMs, Int, Plain),
    row(Task, "cpu_millis", F::TaskCpuMillis, Int, Plain),
    row(Task, "memory_bytes", F::TaskMemoryBytes, Int, Plain),
    row(Node, "key", F::NodeKey, Text, Plain),
    row(Node, "name", F::NodeName, Text, Plain),
    row(Node, "labels", F::NodeLabels, Type::Labels, Plain),
    row(Node, "arch", F::NodeArch, Text, Plain),
    row(Node, "cpu_millis", F::NodeCpuMillis, Int, Plain),
    row(Node, "memory_bytes", F::NodeMemoryBytes, Int, Plain),
    row(Node, "disk_bytes", F::NodeDiskBytes, Int, Plain),
    row(Node, "available_cpu_millis", F::NodeAvailableCpuMillis, Int, Load),
    row(Node, "available_memory_bytes", F::NodeAvailableMemoryBytes, Int, Load),
    row(Node, "reserved_cpu_millis", F::NodeReservedCpuMillis, Int, Load),
    row(Node, "reserved_memory_bytes", F::NodeReservedMemoryBytes, Int, Load),
    row(Node, "misses", F::NodeMisses, Int, Load),
    row(Node, "tasks", F::NodeTasks, Int, Planned),
    row(Node, "planned_cpu_millis", F::NodePlannedCpuMillis, Int, Planned),
    row(Node, "planned_memory_bytes", F::NodePlannedMemoryBytes, Int, Planned),
    row(Assignment, "task", F::AssignmentTask, Type::Object(Task), Plain),
    row(Assignment, "node", F::AssignmentNode, Type::Object(Node), Plain),
];

/// The variables of each scope.
static ROOTS: [(&str, Root, Type, Option<PolicyScope>); 6] = [
    ("request", Root::Request, Type::Object(Request), None),
    ("task", Root::Task, Type::Object(Task), Some(PolicyScope::Assignment)),
    ("node", Root::Node, Type::Object(Node), Some(PolicyScope::Assignment)),
    ("workflow", Root::Workflow, Type::Object(Workflow), Some(PolicyScope::Plan)),
    (
        "assignments",
        Root::Assignments,
        Type::List(Item::Object(Assignment)),
        Some(PolicyScope::Plan),
    ),
    ("nodes", Root::Nodes, Type::List(Item::Object(Node)), Some(PolicyScope::Plan)),
];

/// The variables of a scope.
pub(crate) fn roots(
    scope: PolicyScope,
) -> impl Iterator<Item = (&'static str, Root, Type)> + Clone {
    let here = move |only: Option<PolicyScope>| only.is_none_or(|only| only == scope);
    ROOTS.iter().filter(move |r| here(r.3)).map(|(name, root, of, _)| (*name, *root, *of))
}

/// The fields of an object, as far as a scope knows them.
pub(crate) fn fields(kind: Kind, scope: PolicyScope) -> impl Iterator<Item = &'static Row> {
    let known = move |row: &&Row| {
        row.kind == kind && (row.reads != Reads::Planned || scope == PolicyScope::Plan)
    };
    FIELDS.iter().filter(known)
}

impl Type {
    /// A type as an element of a list.
    pub(crate) fn item(self) -> Option<Item> {
        match self {
            Self::Bool => Some(Item::Bool),
            Self::Int => Some(Item::Int),
            Self::Text => Some(Item::Text),
            Self::Object(kind) => Some(Item::Object(kind)),
            Self::Labels | Self::List(_) => None,
        }
    }

    /// Whether two values of the type can be compared by `==`.
    pub(crate) const fn scalar(self) -> bool {
        matches!(self, Self::Bool | Self::Int | Self::Text)
    }
}

impl From<Item> for Type {
    fn from(item: Item) -> Self {
        match item {
            Item::Bool => Self::Bool,
            Item::Int => Self::Int,
            Item::Text => Self::Text,
            Item::Object(kind) => Self::Object(kind),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Workflow => "workflow",
            Self::Task => "task",
            Self::Node => "node",
            Self::Assignment => "assignment",
        })
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Text => f.write_str("string"),
            Self::Labels => f.write_str("labels"),
            Self::Object(kind) => kind.fmt(f),
            Self::List(item) => write!(f, "list of {}", Self::from(*item)),
        }
    }
}

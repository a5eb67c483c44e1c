//! What jinja2 and Python compute only when somebody goes through it: it has no places and, but for views of dicts, is true
//! however little comes.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

#[derive(Debug)]
pub(in super::super) struct Lazy {
    items: Vec<Value>,
    /// What it is called, if it is a view of a dict.
    view: Option<&'static str>,
}

impl Lazy {
    /// What a filter yields.
    pub(super) fn filtered(items: Vec<Value>) -> Value {
        Value::from_object(Self { items, view: None })
    }

    /// A view of a dict.
    pub(super) fn view(name: &'static str, items: Vec<Value>) -> Value {
        let view = Some(name);
        Value::from_object(Self { items, view })
    }

    pub(in super::super) fn is_one(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some()
    }

    /// The name of a view of a dict.
    pub(super) fn view_name(value: &Value) -> Option<&'static str> {
        value.downcast_object_ref::<Self>()?.view
    }
}

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items.clone())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.view.is_none() || !self.items.is_empty()
    }
}

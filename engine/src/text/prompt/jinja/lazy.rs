//! What jinja2 and Python compute only when somebody goes through it: it has no places and, but for views of dicts, is true
//! however little comes.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, State};

use super::weight::charge;

/// What an item takes, in itself and in its list.
const ITEM_BYTES: usize = 64;

#[derive(Debug)]
pub(in super::super) struct Lazy {
    items: Vec<Value>,
    /// What it is called, if it is a view of a dict.
    view: Option<&'static str>,
}

impl Lazy {
    /// What a filter yields.
    pub(super) fn filtered(state: &State<'_, '_>, items: Vec<Value>) -> Result<Value, Error> {
        Self { items, view: None }.charged(state)
    }

    /// A view of a dict.
    pub(super) fn view(
        state: &State<'_, '_>,
        name: &'static str,
        items: Vec<Value>,
    ) -> Result<Value, Error> {
        let view = Some(name);
        Self { items, view }.charged(state)
    }

    /// The template engine knows how large its own lists are, but not this.
    fn charged(self, state: &State<'_, '_>) -> Result<Value, Error> {
        charge(state, ITEM_BYTES * self.items.len())?;
        Ok(Value::from_object(self))
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

//! The messages of a conversation as a tree: each follows another, and whatever follows the same message, or begins the
//! conversation, are siblings, of which a branch shows one.

use std::collections::{HashMap, HashSet};

use super::Id;

/// A message by its place alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The message.
    pub id: Id,
    /// What it follows; nothing for what begins a conversation.
    pub parent: Option<Id>,
    /// Whether it is a question with which the model's memory begins.
    pub begins_memory: bool,
}

/// All messages of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    parents: HashMap<Id, Option<Id>>,
    /// Oldest first.
    children: HashMap<Option<Id>, Vec<Id>>,
    memories: HashSet<Id>,
}

impl Tree {
    /// From messages, oldest first, so that each stands after what it follows.
    #[must_use]
    pub fn new(nodes: &[Node]) -> Self {
        let mut tree = Self::default();
        for node in nodes {
            tree.parents.insert(node.id, node.parent);
            tree.children.entry(node.parent).or_default().push(node.id);
            if node.begins_memory {
                tree.memories.insert(node.id);
            }
        }
        tree
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// The messages from the beginning to `tip`; none where `tip` is not one of them.
    #[must_use]
    pub fn path(&self, tip: Id) -> Vec<Id> {
        let mut path = Vec::new();
        let mut next = Some(tip);
        // No longer than there are messages, whatever a damaged database says.
        while let Some(id) = next.filter(|_| path.len() < self.len()) {
            let Some(parent) = self.parents.get(&id) else {
                break;
            };
            path.push(id);
            next = *parent;
        }
        path.reverse();
        path
    }

    /// The question on a path with which the model's memory begins; nothing where it has all of it.
    ///
    /// It belongs to the place in the tree, and not to the conversation: branches that part behind it share it, one that
    /// parted before it is shorter and may fit as a whole, and whoever goes back to an older end finds there what the model
    /// knew.
    #[must_use]
    pub fn memory(&self, path: &[Id]) -> Option<Id> {
        let begins = path.iter().rfind(|id| self.memories.contains(id));
        begins.copied()
    }

    /// Whether the model was told of no turn before that of an answer.
    #[must_use]
    pub fn is_told_alone(&self, answer: Id) -> bool {
        let question = self.parents.get(&answer).copied().flatten();
        question.is_some_and(|question| {
            self.memories.contains(&question) || self.parents.get(&question) == Some(&None)
        })
    }

    /// A message and the others that follow the same, oldest first.
    #[must_use]
    pub fn siblings(&self, id: Id) -> &[Id] {
        let parent = self.parents.get(&id).copied().flatten();
        self.after(parent)
    }

    /// What follows a message, or begins the conversation, oldest first.
    #[must_use]
    pub fn after(&self, parent: Option<Id>) -> &[Id] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// The end of the branch that `id` is on and that was gone on with last.
    #[must_use]
    pub fn newest_leaf(&self, id: Id) -> Id {
        let mut leaf = id;
        for _ in 0..self.len() {
            match self.after(Some(leaf)).last() {
                Some(child) => leaf = *child,
                None => break,
            }
        }
        leaf
    }

    /// A message and all that follows it, in any order.
    #[must_use]
    pub fn below(&self, id: Id) -> Vec<Id> {
        let mut found = vec![id];
        let mut at = 0;
        while at < found.len() && found.len() <= self.len() {
            found.extend(self.after(Some(found[at])));
            at += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u128, parent: u128) -> Node {
        Node {
            id: Id(id),
            parent: (parent > 0).then_some(Id(parent)),
            begins_memory: [3, 5].contains(&id),
        }
    }

    fn ids(numbers: &[u128]) -> Vec<Id> {
        numbers.iter().copied().map(Id).collect()
    }

    /// 1 - 2 - 3 - 4
    ///   \ 5   \ 6        with 3 and 5 memory begins.
    /// 7 - 8
    fn tree() -> Tree {
        let pairs = [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 3),
            (5, 1),
            (6, 3),
            (7, 0),
            (8, 7),
        ];
        Tree::new(&pairs.map(|(id, parent)| node(id, parent)))
    }

    #[test]
    fn a_path_leads_from_the_beginning_to_its_tip() {
        assert_eq!(tree().path(Id(6)), ids(&[1, 2, 3, 6]));
        assert_eq!(tree().path(Id(7)), ids(&[7]));
        assert_eq!(tree().path(Id(99)), ids(&[]));
    }

    #[test]
    fn siblings_follow_the_same_message() {
        assert_eq!(tree().siblings(Id(5)), ids(&[2, 5]));
        assert_eq!(tree().siblings(Id(1)), ids(&[1, 7]));
        assert_eq!(tree().siblings(Id(3)), ids(&[3]));
    }

    #[test]
    fn a_branch_is_gone_on_with_at_its_newest_end() {
        assert_eq!(tree().newest_leaf(Id(1)), Id(5));
        assert_eq!(tree().newest_leaf(Id(2)), Id(6));
        assert_eq!(tree().newest_leaf(Id(4)), Id(4));
    }

    #[test]
    fn memory_begins_at_the_last_mark_of_a_branch_and_not_at_that_of_another() {
        let tree = tree();
        let memory = |tip| tree.memory(&tree.path(Id(tip)));
        assert_eq!((memory(4), memory(6)), (Some(Id(3)), Some(Id(3))));
        assert_eq!(memory(5), Some(Id(5)));
        assert_eq!((memory(2), memory(8)), (None, None));
    }

    #[test]
    fn an_answer_is_told_alone_where_the_conversation_or_memory_begins() {
        let alone = [2, 4, 6, 8].map(|answer| tree().is_told_alone(Id(answer)));
        assert_eq!(alone, [true; 4]);
        let pairs = [(1, 0), (2, 1), (7, 2), (8, 7)];
        let tree = Tree::new(&pairs.map(|(id, parent)| node(id, parent)));
        let alone = [2, 8, 99].map(|answer| tree.is_told_alone(Id(answer)));
        assert_eq!(alone, [true, false, false]);
    }

    #[test]
    fn what_is_below_a_message_is_all_that_follows_it() {
        let mut below = tree().below(Id(2));
        below.sort();
        assert_eq!(below, ids(&[2, 3, 4, 6]));
    }

    #[test]
    fn a_circle_in_a_damaged_database_ends_somewhere() {
        let circle = Tree::new(&[node(1, 2), node(2, 1)]);
        assert_eq!(circle.path(Id(1)).len(), 2);
        let _ = circle.newest_leaf(Id(1));
        assert!(circle.below(Id(1)).len() <= 4);
    }
}

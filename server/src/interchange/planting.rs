//! The tree of another program's messages becomes one of ours: questions and answers that alternate.
//!
//! Messages of one role that follow each other are joined. An answer that follows no question follows an empty one, so that
//! nothing stands in the chat that nobody wrote; a question without an answer gets one that failed and says so.

use std::collections::{HashMap, HashSet};
use std::iter::successors;

use nibble_app::domain::{
    CONVERSATION_BYTES, End, EndReason, Id, MESSAGES, Message, Node as Place, Origin, Said, Tree,
};
use nibble_app::settings::SYSTEM_PROMPT_BYTES;

use super::foreign::{Node, Role, milliseconds};

/// Our tree as it grows.
#[derive(Default)]
pub(super) struct Planting<'a> {
    drafts: Vec<Draft<'a>>,
    /// Where the messages of the file went, by their names there.
    places: HashMap<&'a str, usize>,
    messages: Vec<Message>,
    /// Of all texts.
    bytes: usize,
    system_prompt: String,
    skipped: usize,
}

/// One message of a file on its way to be one of ours, perhaps together with those before it.
struct Draft<'a> {
    node: &'a Node,
    /// What it is joined to.
    earlier: Option<usize>,
    /// What it follows.
    parent: Option<Id>,
    /// Its name, once it is one of ours.
    planted: Option<Id>,
}

impl<'a> Planting<'a> {
    pub(super) fn new(system_prompt: &str) -> Self {
        Self {
            system_prompt: system_prompt.to_owned(),
            ..Self::default()
        }
    }

    /// The messages, the system prompt, and how many messages are left out.
    pub(super) fn grown(self) -> (Vec<Message>, String, usize) {
        (self.messages, self.system_prompt, self.skipped)
    }

    /// Goes through the tree of a file from its roots, branches oldest first.
    pub(super) fn plant(&mut self, nodes: &'a [Node]) {
        let followers = followers(nodes);
        let below = |id: Option<&'a str>| followers.get(&id).map_or(&[][..], Vec::as_slice);
        let mut seen = HashSet::new();
        // What comes last on the stack is looked at first.
        let mut stack: Vec<_> = below(None).iter().rev().map(|node| (*node, None)).collect();
        while let Some((node, at)) = stack.pop() {
            if self.is_too_large() || !seen.insert(node.id.as_str()) {
                continue;
            }
            let at = self.place(node, at);
            let next = below(Some(&node.id));
            stack.extend(next.iter().rev().map(|node| (*node, at)));
            if let Some(leaf) = at.filter(|_| next.is_empty()) {
                self.planted(leaf);
            }
        }
        // What follows itself in a circle is below no root.
        let is_lost = |node: &&Node| !seen.contains(node.id.as_str()) && !node.text.is_empty();
        self.skipped += nodes.iter().filter(is_lost).count();
        self.skipped += nodes.iter().map(|node| node.skipped).sum::<usize>();
        self.answer_all();
    }

    /// Where more than this is refused, no more is needed.
    fn is_too_large(&self) -> bool {
        self.messages.len() > MESSAGES || self.bytes > CONVERSATION_BYTES
    }

    /// What the messages below `node` follow, which itself follows `at`.
    fn place(&mut self, node: &'a Node, at: Option<usize>) -> Option<usize> {
        let is_first = at.is_none() && self.system_prompt.is_empty();
        let is_short = node.text.len() <= SYSTEM_PROMPT_BYTES;
        let at = match node.role {
            _ if node.text.trim().is_empty() => at,
            Role::Question | Role::Answer => Some(self.drafted(node, at)),
            Role::System if is_first && is_short => {
                self.system_prompt.clone_from(&node.text);
                at
            }
            Role::System | Role::Other => {
                self.skipped += 1;
                at
            }
        };
        if let Some(at) = at {
            self.places.insert(&node.id, at);
        }
        at
    }

    fn drafted(&mut self, node: &'a Node, at: Option<usize>) -> usize {
        let (earlier, parent) = match at {
            Some(before) if self.drafts[before].node.role == node.role => {
                (Some(before), self.drafts[before].parent)
            }
            Some(before) => (None, Some(self.planted(before))),
            None if node.role == Role::Answer => {
                let text = String::new();
                (
                    None,
                    Some(self.push(None, node.created, Said::question(text))),
                )
            }
            None => (None, None),
        };
        self.drafts.push(Draft {
            node,
            earlier,
            parent,
            planted: None,
        });
        self.drafts.len() - 1
    }

    /// The name of a draft among our messages, of which it becomes one.
    fn planted(&mut self, draft: usize) -> Id {
        if let Some(id) = self.drafts[draft].planted {
            return id;
        }
        let earlier = |&draft: &usize| self.drafts[draft].earlier;
        let mut pieces: Vec<_> = successors(Some(draft), earlier)
            .map(|draft| self.drafts[draft].node.text.as_str())
            .collect();
        pieces.reverse();
        let text = pieces.join("\n\n");
        let Draft { node, parent, .. } = self.drafts[draft];
        let said = if node.role == Role::Question {
            Said::question(text)
        } else {
            Said::Answer {
                thought: String::new(),
                text,
                end: Some(End {
                    reason: EndReason::Complete,
                    metrics: None,
                }),
                origin: Origin {
                    model: node.model.clone(),
                    ..Origin::default()
                },
            }
        };
        let id = self.push(parent, node.created, said);
        self.drafts[draft].planted = Some(id);
        id
    }

    fn push(&mut self, parent: Option<Id>, created: Option<f64>, said: Said) -> Id {
        let message = Message {
            id: Id(rand::random()),
            parent,
            created: milliseconds(created).unwrap_or_default(),
            said,
        };
        let id = message.id;
        self.bytes += message.text().len();
        self.messages.push(message);
        id
    }

    /// Pages show a question together with an answer.
    fn answer_all(&mut self) {
        let answered: HashSet<_> = self
            .messages
            .iter()
            .filter_map(|message| message.parent)
            .collect();
        let is_open = |message: &&Message| {
            matches!(message.said, Said::Question { .. }) && !answered.contains(&message.id)
        };
        let open: Vec<_> = self
            .messages
            .iter()
            .filter(is_open)
            .map(|question| question.id)
            .collect();
        for question in open {
            let said = Said::Answer {
                thought: String::new(),
                text: String::new(),
                end: Some(End::failed(
                    "there is none in the file that this chat came from",
                )),
                origin: Origin::default(),
            };
            self.push(Some(question), None, said);
        }
    }

    /// The end of the branch that was shown, where that is known.
    pub(super) fn tip(&self, current: Option<&str>) -> Option<Id> {
        let draft = self.places.get(current?)?;
        let shown = self.drafts[*draft].planted?;
        let nodes: Vec<_> = self
            .messages
            .iter()
            .map(|message| Place {
                id: message.id,
                parent: message.parent,
                begins_memory: false,
            })
            .collect();
        Some(Tree::new(&nodes).newest_leaf(shown))
    }
}

/// The messages below each, oldest first, and those below none that is there.
fn followers(nodes: &[Node]) -> HashMap<Option<&str>, Vec<&Node>> {
    let names: HashSet<_> = nodes.iter().map(|node| node.id.as_str()).collect();
    let mut followers: HashMap<_, Vec<_>> = HashMap::new();
    for node in nodes {
        let parent = node
            .parent
            .as_deref()
            .filter(|parent| names.contains(parent));
        followers.entry(parent).or_default().push(node);
    }
    for below in followers.values_mut() {
        let time = |node: &Node| node.created.unwrap_or_default();
        below.sort_by(|one, other| time(one).total_cmp(&time(other)));
    }
    followers
}

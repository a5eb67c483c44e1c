//! A conversation that grows beyond the context of the model, which is 90 words and turns here.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use crate::test_support::browser::{Browser, Reply, message, upload};
use crate::test_support::reading::Reading;

/// A turn has 20 of them: a question of 8 and an answer of 10 words.
const CONTEXT: usize = 90;
const QUESTION: &str = "one two three four five six seven";

const ELSEWHERE: &str = "value=\"new-chat\"";
const FORGET: &str = "value=\"forget\"";
const LINE: &str = "The model no longer sees what stands above";

pub(super) struct Chat {
    engine: Arc<Reading>,
    pub(super) browser: Browser,
    path: String,
    asked: usize,
}

impl Chat {
    async fn new() -> Self {
        Self::answering(10).await
    }

    pub(super) async fn answering(words: usize) -> Self {
        Self::with(Reading::new(CONTEXT, words)).await
    }

    async fn with(engine: Reading) -> Self {
        let engine = Arc::new(engine);
        let browser = Browser::new(engine.clone());
        let mut chat = Self {
            engine,
            browser,
            path: "/c/".to_owned(),
            asked: 0,
        };
        let reply = chat.ask("").await;
        reply.location().clone_into(&mut chat.path);
        chat.page().await;
        chat
    }

    /// With four turns of 20 and `be brief` of 3 the context has no room for a fifth.
    pub(super) async fn full() -> Self {
        let mut chat = Self::new().await;
        for _ in 1..4 {
            assert_eq!(chat.ask("").await.status, StatusCode::FOUND);
            chat.page().await;
        }
        chat
    }

    fn id(&self) -> &str {
        self.path.trim_start_matches("/c/")
    }

    pub(super) async fn page(&self) -> String {
        // It streams to the answer's end.
        self.browser.get(&self.path).await.body
    }

    /// Asks the next question, whose last word is its number.
    pub(super) async fn ask(&mut self, when_full: &str) -> Reply {
        let question = format!("{QUESTION} {}", self.asked);
        self.asked += 1;
        self.send(&question, when_full).await
    }

    async fn send(&self, question: &str, when_full: &str) -> Reply {
        let mut fields = message(self.id(), question).to_vec();
        fields.retain(|(name, _)| *name != "max_tokens");
        fields.extend([("max_tokens", "10"), ("when_full", when_full)]);
        self.browser.post_form("/api/send", &fields).await
    }

    /// The number of the question with which the last prompt began, behind what holds for all of them.
    pub(super) fn first_told(&self) -> usize {
        let told = self.engine.told();
        assert_eq!(told[0], "be brief");
        let number = told[1].strip_prefix(QUESTION).unwrap().trim();
        number.parse().unwrap()
    }

    /// The number of the question before which the page says that memory begins.
    fn line(page: &str) -> Option<usize> {
        let (_, below) = page.split_once(LINE)?;
        let (_, question) = below.split_once(QUESTION)?;
        question.split('<').next()?.trim().parse().ok()
    }

    pub(super) async fn last_answer(&self) -> String {
        let page = self.page().await;
        let (_, run) = page.rsplit_once("data-run=\"").unwrap();
        run[..32].to_owned()
    }
}

#[tokio::test]
async fn a_question_without_room_leaves_a_choice_and_stays_typed() {
    let mut chat = Chat::full().await;
    let refused = chat.ask("").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = refused.body;
    assert!(
        page.contains("with the question it has 92 tokens, and the context of 90"),
        "{page}"
    );
    assert!(page.contains(ELSEWHERE) && page.contains(FORGET), "{page}");
    assert!(page.contains(&format!("{QUESTION} 4</textarea>")), "{page}");
    assert!(!page.contains("seven 4</p>"), "{page}");
    let page = chat.page().await;
    assert!(!page.contains(FORGET), "{page}");
    let question = "w ".repeat(30);
    let fields = message(chat.id(), &question);
    let json = chat.browser.post_json("/api/send", &fields).await.json();
    let choice = json["choice"].as_str().unwrap();
    assert!(choice.contains(ELSEWHERE) && choice.contains(FORGET));
    assert_eq!(json["field"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_question_goes_along_into_a_new_chat() {
    let mut chat = Chat::full().await;
    let asked = chat.ask("new-chat").await;
    assert_eq!(asked.status, StatusCode::FOUND);
    assert_ne!(asked.location(), chat.path);
    let page = chat.browser.get(asked.location()).await.body;
    assert!(page.contains("seven 4</p>"), "{page}");
    assert!(!page.contains("seven 3</p>"), "{page}");
    assert_eq!(chat.first_told(), 4);
}

#[tokio::test]
async fn without_its_oldest_turns_a_chat_goes_on_and_asks_no_more() {
    let mut chat = Chat::full().await;
    assert_eq!(chat.engine.counted(), 0);
    assert_eq!(chat.ask("forget").await.location(), chat.path);
    // Of 3, 20 for each turn and 9 for the question no more than 45.
    assert_eq!(chat.first_told(), 3);
    let page = chat.page().await;
    assert_eq!(Chat::line(&page), Some(3), "{page}");
    assert!(page.contains("seven 0</p>"), "{page}");
    let mut begins = Vec::new();
    for _ in 0..8 {
        let before = chat.engine.counted();
        assert_eq!(chat.ask("").await.status, StatusCode::FOUND);
        assert!(chat.engine.counted() - before <= 4);
        assert_eq!(Chat::line(&chat.page().await), Some(chat.first_told()));
        begins.push(chat.first_told());
    }
    assert_eq!(begins, [3, 3, 6, 6, 6, 9, 9, 9]);
    let file = format!("{}/export.md", chat.path);
    let exported = chat.browser.get(&file).await.body;
    for question in 0..13 {
        assert!(
            exported.contains(&format!("seven {question}\n")),
            "{exported}"
        );
    }
}

#[tokio::test]
async fn a_question_that_alone_has_no_room_is_refused_with_both_numbers() {
    let mut chat = Chat::full().await;
    let long = "w ".repeat(98);
    for when_full in ["", "forget", "new-chat"] {
        let refused = chat.send(&long, when_full).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let page = refused.body;
        let reason = "The prompt has 102 tokens, and the context of 90 must leave room";
        assert!(page.contains(reason), "{page}");
        assert!(!page.contains(FORGET) && !page.contains(LINE), "{page}");
    }
    // One that has, though nothing else has beside it, is asked.
    assert_eq!(
        chat.send(&"w ".repeat(84), "forget").await.status,
        StatusCode::FOUND
    );
    assert_eq!(chat.engine.told().len(), 2);
    chat.page().await;
    chat.ask("").await;
    assert_eq!(chat.first_told(), 4);
}

#[tokio::test]
async fn an_answer_that_filled_the_context_goes_on_where_one_chooses() {
    let mut chat = Chat::answering(40).await;
    chat.ask("").await;
    let page = chat.page().await;
    assert!(page.contains("the model’s context is full"), "{page}");
    assert!(page.contains(ELSEWHERE) && page.contains(FORGET), "{page}");
    assert!(!page.contains(">Continue</button>"), "{page}");
    let answer = chat.last_answer().await;
    let go_on = async |browser: &Browser, when_full| {
        let fields = [("answer", answer.as_str()), ("when_full", when_full)];
        browser.post_form("/api/continue", &fields).await
    };
    let other = chat.browser.other();
    for when_full in ["", "new-chat", "forget"] {
        let refused = go_on(&other, when_full).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{when_full}");
    }
    let refused = go_on(&chat.browser, "").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("seven 1</p>"), "{}", refused.body);
    let elsewhere = go_on(&chat.browser, "new-chat").await;
    assert_eq!(elsewhere.status, StatusCode::FOUND, "{}", elsewhere.body);
    assert_ne!(elsewhere.location(), chat.path);
    let page = chat.browser.get(elsewhere.location()).await.body;
    assert!(page.contains("seven 1</p>"), "{page}");
    assert!(!page.contains("seven 0</p>"), "{page}");
    assert_eq!(go_on(&chat.browser, "forget").await.location(), chat.path);
    assert_eq!(chat.first_told(), 1);
    let page = chat.page().await;
    assert_eq!(Chat::line(&page), Some(1), "{page}");
    assert!(page.contains("seven 0</p>"), "{page}");
}

#[tokio::test]
async fn a_question_that_waited_and_finds_no_room_offers_the_choice_below() {
    let slow = Reading::new(CONTEXT, 10).taking(Duration::from_millis(100));
    let mut chat = Chat::with(slow).await;
    for _ in 1..3 {
        chat.ask("").await;
        chat.page().await;
    }
    for _ in 3..5 {
        assert_eq!(chat.ask("").await.status, StatusCode::FOUND);
    }
    let page = chat.page().await;
    assert!(page.contains("Not answered: the model’s context"), "{page}");
    assert!(page.contains(ELSEWHERE) && page.contains(FORGET), "{page}");
    let answer = chat.last_answer().await;
    let fields = [("answer", answer.as_str()), ("when_full", "forget")];
    let reply = chat.browser.post_form("/api/continue", &fields).await;
    assert_eq!(reply.location(), chat.path);
    assert_eq!(chat.first_told(), 3);
    let page = chat.page().await;
    assert_eq!(Chat::line(&page), Some(3), "{page}");
    assert!(!page.contains("Not answered"), "{page}");
}

#[tokio::test]
async fn a_chat_that_could_not_be_gone_on_with_elsewhere_is_not_left_behind() {
    let chat = Chat::answering(200).await;
    let answer = chat.last_answer().await;
    let fields = [("answer", answer.as_str()), ("when_full", "new-chat")];
    let refused = chat.browser.post_form("/api/continue", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("tokens, and the context of 90"));
    let list = chat.browser.get("/chats").await.body;
    assert_eq!(list.matches(">Change<").count(), 1, "{list}");
    let page = chat.page().await;
    assert!(page.contains("the model’s context is full"), "{page}");
}

#[tokio::test]
async fn another_answer_and_an_edited_question_offer_the_same_choice() {
    let chat = Chat::full().await;
    let long = "w ".repeat(40);
    let question = {
        let page = chat.page().await;
        let (_, name) = page.rsplit_once("data-question=\"").unwrap();
        name[..32].to_owned()
    };
    let mut fields = vec![
        ("question", question.as_str()),
        ("conversation", chat.id()),
        ("message", &long),
    ];
    let refused = chat.browser.post_form("/api/edit", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains(&format!("value=\"{long}\"")));
    fields.push(("when_full", "forget"));
    let reply = chat.browser.post_form("/api/edit", &fields).await;
    assert_eq!(reply.location(), chat.path);
    assert_eq!(chat.engine.told().len(), 4);
    chat.page().await;
    let answer = chat.last_answer().await;
    let mut fields = message(chat.id(), "").to_vec();
    fields.extend([("answer", answer.as_str()), ("when_full", "new-chat")]);
    let reply = chat.browser.post_form("/api/again", &fields).await;
    assert_ne!(reply.location(), chat.path);
    assert_eq!(chat.engine.told(), ["be brief", long.trim()]);
}

#[tokio::test]
async fn an_answer_that_nothing_stands_before_offers_no_way_that_leads_nowhere() {
    let mut chat = Chat::answering(90).await;
    let events = format!("/runs/{}/events", chat.last_answer().await);
    let told = chat.browser.get(&events).await.body;
    for place in [chat.page().await, told] {
        assert!(place.contains("the model’s context is full"), "{place}");
        assert!(!place.contains("new-chat"), "{place}");
        assert!(!place.contains("forget\\\""), "{place}");
        assert!(!place.contains(FORGET), "{place}");
    }
    // The same where the model has forgotten all that stands before.
    assert_eq!(chat.ask("forget").await.location(), chat.path);
    let page = chat.page().await;
    assert_eq!(Chat::line(&page), Some(1), "{page}");
    assert!(page.contains("the model’s context is full"), "{page}");
    assert!(
        !page.contains(FORGET) && !page.contains(ELSEWHERE),
        "{page}"
    );
}

#[tokio::test]
async fn an_imported_chat_has_its_memory_where_it_was() {
    let mut chat = Chat::full().await;
    chat.ask("forget").await;
    assert_eq!(Chat::line(&chat.page().await), Some(3));
    let address = format!("{}/export.json", chat.path);
    let file = chat.browser.get(&address).await.body;
    assert_eq!(file.matches("\"begins_memory\":true").count(), 1, "{file}");
    let files = [("chats.json", file.as_bytes())];
    let sent = upload("/chats/import", &[], &files, "text/html");
    let outcome = chat.browser.send(sent).await;
    assert!(outcome.body.contains("1 chat"), "{}", outcome.body);
    let list = chat.browser.get("/chats").await.body;
    let mut names = list.split("href=\"/c/").skip(1).map(|rest| &rest[..32]);
    let copy = names.find(|name| *name != chat.id()).unwrap();
    chat.path = format!("/c/{copy}");
    assert_eq!(Chat::line(&chat.page().await), Some(3));
    chat.ask("").await;
    assert_eq!(chat.first_told(), 3);
    // Whoever reads what is shared is not told what the model was told.
    let fields = [("conversation", copy), ("shared", "true")];
    chat.browser.post_form("/api/share", &fields).await;
    let address = format!("/c/{copy}/export.json");
    let file = chat.browser.other().get(&address).await.body;
    assert!(
        file.contains("seven 3") && !file.contains("begins_memory"),
        "{file}"
    );
}

#[tokio::test]
async fn memory_belongs_to_a_branch() {
    let mut chat = Chat::full().await;
    chat.ask("forget").await;
    assert_eq!(Chat::line(&chat.page().await), Some(3));
    let page = chat.page().await;
    let names = page.split("data-question=\"").skip(1);
    let questions: Vec<_> = names.map(|rest| rest[..32].to_owned()).collect();
    let fields = [("question", questions[1].as_str()), ("message", "other")];
    chat.browser.post_form("/api/edit", &fields).await;
    assert_eq!(chat.first_told(), 0);
    assert_eq!(Chat::line(&chat.page().await), None);
    let fields = [("message", questions[1].as_str())];
    chat.browser.post_form("/api/choose", &fields).await;
    assert_eq!(Chat::line(&chat.page().await), Some(3));
}

#[tokio::test]
async fn the_list_of_a_script_says_what_the_context_holds() {
    let mut chat = Chat::new().await;
    let list = async |chat: &Chat| {
        let address = format!("/chats/list?current={}", chat.id());
        chat.browser.get(&address).await.body
    };
    assert!(!list(&chat).await.contains("<meter"));
    for tokens in [42, 62, 82] {
        chat.ask("").await;
        // The first ends with the answer, of which its head knew nothing yet.
        chat.page().await;
        let page = chat.page().await;
        let shown = list(&chat).await;
        for place in [page, shown] {
            let said = place.contains(&format!("{tokens} of 90 tokens"));
            assert_eq!(said, tokens > 45, "{place}");
            assert_eq!(place.contains("nearly full"), tokens > 72, "{place}");
        }
    }
    chat.ask("forget").await;
    chat.page().await;
    let shown = list(&chat).await;
    assert!(shown.contains("id=\"forgotten\""), "{shown}");
    let address = format!("/chats/list?current={}", chat.id());
    let other = chat.browser.other().get(&address).await.body;
    assert!(!other.contains("forgotten"), "{other}");
}

#[tokio::test]
async fn an_estimate_is_of_what_there_is_room_for_once_memory_has_begun() {
    let mut chat = Chat::full().await;
    for _ in 0..6 {
        assert_eq!(chat.ask("forget").await.status, StatusCode::FOUND);
        chat.page().await;
        let fields = message(chat.id(), QUESTION);
        let checked = chat.browser.post_json("/api/check", &fields).await.json();
        let words = checked["words"].as_str().unwrap();
        assert!(words.starts_with("Prompt: "), "{words}");
    }
}

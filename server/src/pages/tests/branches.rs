//! What people do with questions, answers and conversations.

use nibble_engine::{FinishReason, Turn};

use super::*;
use crate::test_support::browser::Reply;
use crate::test_support::held::{Held, finished};

/// A conversation with one answer, as its page and the names that stand on it.
struct Begun {
    browser: Browser,
    path: String,
}

impl Begun {
    async fn new() -> Self {
        let browser = quick();
        let path = ask(&browser).await;
        // The page streams to the answer's end.
        browser.get(&path).await;
        Self { browser, path }
    }

    fn id(&self) -> &str {
        self.path.trim_start_matches("/c/")
    }

    async fn page(&self) -> String {
        self.browser.get(&self.path).await.body
    }

    /// The run of the last answer on the page.
    async fn last_answer(&self) -> String {
        last_name(&self.page().await, "data-run=\"")
    }

    async fn last_question(&self) -> String {
        last_name(&self.page().await, "data-question=\"")
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.browser.post_form(path, fields).await
    }

    async fn again(&self) -> Reply {
        let answer = self.last_answer().await;
        let mut fields = message(self.id(), "").to_vec();
        fields.push(("answer", &answer));
        let reply = self.post("/api/again", &fields).await;
        self.page().await;
        reply
    }
}

fn last_name(page: &str, mark: &str) -> String {
    let rest = page.rsplit(mark).next().unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn count(page: &str, part: &str) -> usize {
    page.matches(part).count()
}

#[tokio::test]
async fn an_answer_is_given_again_beside_the_first() {
    let begun = Begun::new().await;
    let first = begun.last_answer().await;
    let reply = begun.again().await;
    assert_eq!(reply.status, StatusCode::FOUND, "{}", reply.body);
    let second = begun.last_answer().await;
    assert_ne!(first, second);
    let page = begun.page().await;
    assert_eq!(count(&page, "aria-label=\"Question\""), 1, "{page}");
    assert!(page.contains("2 of 2"), "{page}");
    begun.post("/api/choose", &[("message", &first)]).await;
    assert_eq!(begun.last_answer().await, first);
    assert!(begun.page().await.contains("1 of 2"));
}

#[tokio::test]
async fn a_question_is_edited_beside_the_first() {
    let begun = Begun::new().await;
    let question = begun.last_question().await;
    let fields = [("question", question.as_str()), ("message", "how?")];
    let reply = begun.post("/api/edit", &fields).await;
    assert_eq!(reply.status, StatusCode::FOUND, "{}", reply.body);
    let page = begun.page().await;
    assert!(
        page.contains(">how?</p>") && !page.contains(">what?</p>"),
        "{page}"
    );
    begun.post("/api/choose", &[("message", &question)]).await;
    let page = begun.page().await;
    assert!(
        page.contains(">what?</p>") && !page.contains(">how?</p>"),
        "{page}"
    );
}

#[tokio::test]
async fn an_edited_question_without_words_is_refused_and_changes_nothing() {
    let begun = Begun::new().await;
    let question = begun.last_question().await;
    let fields = [
        ("question", question.as_str()),
        ("conversation", begun.id()),
        ("message", " "),
    ];
    let reply = begun.post("/api/edit", &fields).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        reply.body.contains("The message is empty."),
        "{}",
        reply.body
    );
    assert!(reply.body.contains(">what?</p>"), "{}", reply.body);
}

#[tokio::test]
async fn a_branch_becomes_a_conversation_of_its_own() {
    let begun = Begun::new().await;
    let answer = begun.last_answer().await;
    let reply = begun.post("/api/branch", &[("answer", &answer)]).await;
    assert_ne!(reply.location(), begun.path);
    let copy = begun.browser.get(reply.location()).await.body;
    assert!(
        copy.contains(">what?</p>") && copy.contains("<em>two</em>"),
        "{copy}"
    );
    assert_ne!(last_name(&copy, "data-run=\""), answer);
}

#[tokio::test]
async fn a_hidden_question_can_be_had_back() {
    let begun = Begun::new().await;
    let question = begun.last_question().await;
    let reply = begun.post("/api/hide", &[("question", &question)]).await;
    let page = begun.browser.get(reply.location()).await.body;
    assert!(!page.contains(">what?</p>"), "{page}");
    begun.post("/api/unhide", &[("question", &question)]).await;
    assert!(begun.page().await.contains(">what?</p>"));
}

#[tokio::test]
async fn a_deleted_conversation_can_be_had_back() {
    let begun = Begun::new().await;
    let fields = [("conversation", begun.id())];
    let reply = begun.post("/api/delete", &fields).await;
    assert_eq!(reply.location(), format!("/?deleted={}", begun.id()));
    assert_eq!(
        begun.browser.get(&begun.path).await.status,
        StatusCode::NOT_FOUND
    );
    begun.post("/api/restore", &fields).await;
    assert!(begun.page().await.contains(">what?</p>"));
}

#[tokio::test]
async fn all_deleted_conversations_can_be_had_back() {
    let begun = Begun::new().await;
    let reply = begun.post("/api/delete_all", &[]).await;
    let there = reply.location().to_owned();
    assert_eq!(
        begun.browser.get(&begun.path).await.status,
        StatusCode::NOT_FOUND
    );
    let notice = begun.browser.get(&there).await.body;
    assert!(notice.contains("All chats are deleted."), "{notice}");
    let (_, at) = there.split_once("/?all_deleted=").unwrap();
    begun.post("/api/restore_all", &[("at", at)]).await;
    assert!(begun.page().await.contains(">what?</p>"));
}

#[tokio::test]
async fn a_new_name_titles_the_page() {
    let begun = Begun::new().await;
    let long = "a ".repeat(100);
    for (typed, shown) in [
        (" Sky \n colours ", "Sky colours"),
        ("", "Sky colours"),
        (&long, "a a a"),
    ] {
        let fields = [("conversation", begun.id()), ("title", typed)];
        begun.post("/api/rename", &fields).await;
        let page = begun.page().await;
        assert!(page.contains(&format!("<title>{shown}")), "{page}");
    }
}

#[tokio::test]
async fn who_has_the_address_reads_what_is_shared_and_changes_nothing() {
    let begun = Begun::new().await;
    let other = begun.browser.other();
    let share = async |shared| {
        let fields = [("conversation", begun.id()), ("shared", shared)];
        begun.post("/api/share", &fields).await
    };
    let there = share("true").await.location().to_owned();
    let said = "Whoever has the address of this page can read this chat now.";
    assert!(begun.browser.get(&there).await.body.contains(said));
    let page = other.get(&there).await;
    assert!(!page.body.contains(said), "{}", page.body);
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<em>two</em>"), "{}", page.body);
    let file = other.get(&format!("{}/export.json", begun.path)).await;
    assert!(file.body.contains("*two*"), "{}", file.body);
    // What the owner tells the model is nobody else's.
    for shown in [&page.body, &file.body] {
        assert!(!shown.contains("be brief"), "{shown}");
    }
    let (answer, question) = (begun.last_answer().await, begun.last_question().await);
    let mut again = message(begun.id(), "").to_vec();
    again.push(("answer", &answer));
    let reset = [("conversation", begun.id()), ("temperature", "hot")];
    other.post_form("/api/reset", &reset).await;
    let blank = other.get("/").await.body;
    assert!(!blank.contains("be brief"), "{blank}");
    let elsewhere = ("when_full", "new-chat");
    let acts: [(&str, &[(&str, &str)]); 13] = [
        ("/api/send", &message(begun.id(), "mine")),
        ("/api/again", &again),
        ("/api/edit", &[("question", &question), ("message", "mine")]),
        (
            "/api/edit",
            &[("question", &question), ("message", "mine"), elsewhere],
        ),
        ("/api/continue", &[("answer", &answer), elsewhere]),
        ("/api/branch", &[("answer", &answer)]),
        ("/api/choose", &[("message", &answer)]),
        ("/api/hide", &[("question", &question)]),
        ("/api/unhide", &[("question", &question)]),
        (
            "/api/rename",
            &[("conversation", begun.id()), ("title", "mine")],
        ),
        (
            "/api/pin",
            &[("conversation", begun.id()), ("pinned", "true")],
        ),
        (
            "/api/share",
            &[("conversation", begun.id()), ("shared", "false")],
        ),
        ("/api/delete", &[("conversation", begun.id())]),
    ];
    for (path, fields) in acts {
        let refused = other.post_form(path, fields).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
    }
    let mine = begun.page().await;
    assert!(
        mine.contains(">what?</p>") && !mine.contains(">mine"),
        "{mine}"
    );
    share("false").await;
    assert_eq!(other.get(&begun.path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn names_that_nobody_gave_are_refused_by_every_form() {
    let browser = quick();
    for strange in ["", "none", "\r\nX", "00000000000000000000000000000000"] {
        for (path, field) in [
            ("/api/branch", "answer"),
            ("/api/choose", "message"),
            ("/api/hide", "question"),
            ("/api/unhide", "question"),
            ("/api/delete", "conversation"),
            ("/api/restore", "conversation"),
        ] {
            let refused = browser.post_form(path, &[(field, strange)]).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path} {strange:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_goes_on_from_its_last_byte() {
    let generator = Arc::new(Held::default());
    let browser = Browser::new(generator.clone());
    let path = ask(&browser).await;
    let (_, sender) = generator.take().unwrap();
    sender.send(Event::Text("It is bl".into()));
    sender.send(finished(FinishReason::Length, 3));
    let page = browser.get(&path).await.body;
    assert!(page.contains(">Continue</button>"), "{page}");
    let answer = last_name(&page, "data-run=\"");
    let reply = browser
        .post_form("/api/continue", &[("answer", &answer)])
        .await;
    assert_eq!(reply.location(), path);
    let (request, sender) = generator.take().unwrap();
    let Prompt::Chat(conversation) = request.prompt else {
        panic!("a chat");
    };
    assert!(conversation.continues_last);
    let last = conversation.turns.last().unwrap();
    assert!(matches!(last, Turn::Answered { content, .. } if content == "It is bl"));
    sender.send(Event::Text("ue.".into()));
    sender.send(finished(FinishReason::Stop, 2));
    let page = browser.get(&path).await.body;
    assert!(page.contains(">It is blue.</p>"), "{page}");
    assert!(page.contains("<dt>Output tokens</dt><dd>5</dd>"), "{page}");
    assert!(!page.contains(">Continue</button>"), "{page}");
}

#[tokio::test]
async fn a_page_is_opened_at_an_answer_that_lies_elsewhere() {
    let begun = Begun::new().await;
    let (id, first) = (begun.id().to_owned(), begun.last_answer().await);
    begun.again().await;
    let place = |answer: &str| format!("id=\"m-{answer}\"");
    let page = begun.page().await;
    assert!(!page.contains(&place(&first)), "{page}");
    let at = |answer: &str| format!("{}?at={answer}", begun.path);
    let there = begun.browser.get(&at(&first)).await.body;
    assert!(there.contains(&place(&first)), "{there}");
    assert!(there.contains("id=\"later\""), "{there}");
    // What is shown is as it was, and what is not there is not looked for.
    let shown = begun.last_answer().await;
    assert_ne!(shown, first);
    for answer in [shown.as_str(), "x", &"0".repeat(32)] {
        let page = begun.browser.get(&at(answer)).await.body;
        assert!(page.contains(&place(&shown)), "{answer}: {page}");
        assert!(!page.contains("id=\"later\""), "{answer}: {page}");
    }
    // Who reads what is shared sees the branch that is shown.
    let shared = [("conversation", id.as_str()), ("shared", "true")];
    begun.post("/api/share", &shared).await;
    let page = begun.browser.other().get(&at(&first)).await.body;
    assert!(!page.contains(&place(&first)) && page.contains(&place(&shown)));
    for _ in 0..41 {
        let asked = begun
            .browser
            .post_form("/api/send", &message(&id, "more?"))
            .await;
        begun.browser.get(asked.location()).await;
    }
    let page = begun.page().await;
    assert!(!page.contains(&place(&shown)), "{page}");
    let there = begun.browser.get(&at(&shown)).await.body;
    assert!(there.contains(&place(&shown)), "{there}");
}

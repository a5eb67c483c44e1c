//! What the engine is told, and what becomes of its refusals and failures.

use nibble_engine::ConversationKey;

use super::*;

/// What a test says of a request.
type Tell = fn() -> Result<Answer, Error>;

/// Does what a test says, and remembers what it was asked.
struct Told {
    info: ModelInfo,
    tell: Tell,
    asked: Mutex<Vec<Request>>,
}

impl Told {
    fn new(tell: Tell) -> Arc<Self> {
        let info = Scripted::new(&[], Duration::ZERO).info().clone();
        let asked = Mutex::default();
        Arc::new(Self { info, tell, asked })
    }
}

impl Generator for Told {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.asked.lock().unwrap().push(request);
        (self.tell)()
    }
}

fn failing_midway() -> Result<Answer, Error> {
    let (sender, answer) = Answer::channel();
    sender.send(Event::Text("half of".into()));
    sender.send(Event::Failed(Error::File {
        action: "map",
        path: "/secret/model.gguf".into(),
        reason: std::io::Error::other("gone"),
    }));
    Ok(answer)
}

#[tokio::test]
async fn a_full_queue_keeps_the_message_and_says_so() {
    let browser = Browser::new(Told::new(|| {
        Err(Error::Busy {
            waiting: 64,
            limit: 64,
            wait: Some(Duration::from_secs(17)),
        })
    }));
    let page = browser.post_form("/api/send", &message("", "later")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers[RETRY_AFTER], "17");
    let page = page.body;
    let reason = "The queue is full: 64 of 64 requests are waiting; try again in about 17 s.";
    assert!(page.contains(reason), "{page}");
    assert!(page.contains(">later</textarea>"), "{page}");
    let json = browser.post_json("/api/send", &message("", "later")).await;
    assert_eq!(json.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json.headers[RETRY_AFTER], "17");
}

#[tokio::test]
async fn what_the_engine_refuses_is_said_of_the_field_that_it_names() {
    let refusals: [(Tell, _); 2] = [
        (|| Err(refused("messages")), "message"),
        (|| Err(refused("temperature")), "temperature"),
    ];
    for (error, field) in refusals {
        let browser = Browser::new(Told::new(error));
        let json = browser.post_json("/api/send", &message("", "hm")).await;
        assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(json.json()["field"], field);
    }
}

fn refused(field: &'static str) -> Error {
    let reason = "too much of it".into();
    Error::Request { field, reason }
}

#[tokio::test]
async fn an_answer_that_fails_keeps_its_text_and_no_secret_gets_out() {
    let browser = Browser::new(Told::new(failing_midway));
    let page = browser.get(&ask(&browser).await).await.body;
    assert!(page.contains("<p dir=\"auto\">half of</p>"), "{page}");
    assert!(
        page.contains("This answer failed: the engine could not go on."),
        "{page}"
    );
    assert!(!page.contains("secret"), "{page}");
}

#[tokio::test]
async fn an_answer_without_an_end_has_failed() {
    let browser = Browser::new(Told::new(|| Ok(Answer::channel().1)));
    let page = browser.get(&ask(&browser).await).await.body;
    assert!(
        page.contains("This answer failed: the engine has stopped."),
        "{page}"
    );
}

#[tokio::test]
async fn the_model_sees_the_conversation_but_not_the_greeting() {
    let told = Told::new(failing_midway);
    let browser = Browser::new(told.clone());
    let path = ask(&browser).await;
    browser.get(&path).await;
    let id = path.trim_start_matches("/c/");
    browser
        .post_form("/api/send", &message(id, "and then?"))
        .await;
    let asked = told.asked.lock().unwrap();
    let said = |role, content: &str| Message {
        role,
        content: content.into(),
    };
    let expected = [
        said(Role::System, "be brief"),
        said(Role::User, "what?"),
        said(Role::Assistant, "half of"),
        said(Role::User, "and then?"),
    ];
    assert_eq!(asked[1].prompt, Prompt::Chat(expected.to_vec().into()));
    assert_eq!(asked[1].sampling.temperature, 0.5);
    assert_eq!(asked[1].sampling.top_p, 0.9);
    assert_eq!(asked[1].max_tokens, 100);
    assert_eq!(asked[1].usd_per_hour, 3.6);
    let name = ConversationKey::Name(id.to_owned());
    assert_eq!([&asked[0].conversation, &asked[1].conversation], [&name; 2]);
}

/// Says on which thread it was asked.
struct Placed {
    info: ModelInfo,
    thread: Mutex<Option<std::thread::ThreadId>>,
}

impl Generator for Placed {
    fn info(&self) -> &ModelInfo {
        self.note();
        &self.info
    }

    /// The settings of a page ask this.
    fn is_alive(&self) -> bool {
        self.note();
        true
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        self.note();
        failing_midway()
    }
}

impl Placed {
    fn note(&self) {
        *self.thread.lock().unwrap() = Some(std::thread::current().id());
    }
}

#[tokio::test]
async fn prompts_are_prepared_and_pages_rendered_off_the_thread_that_serves_others() {
    let placed = Arc::new(Placed {
        info: Scripted::new(&[], Duration::ZERO).info().clone(),
        thread: Mutex::default(),
    });
    let browser = Browser::new(placed.clone());
    let asked_elsewhere = || {
        let thread = placed.thread.lock().unwrap().take();
        thread.expect("it was asked") != std::thread::current().id()
    };
    ask(&browser).await;
    assert!(asked_elsewhere());
    browser.get("/").await;
    assert!(asked_elsewhere());
}

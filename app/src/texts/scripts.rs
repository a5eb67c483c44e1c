//! The texts that scripts need, which the page brings with it as JSON.

use crate::language::Language;

/// By name; `{…}` stands for what a script fills in.
macro_rules! named {
    ($language:ident: $($name:ident$(($($value:literal),+))?,)*) => {
        vec![$((stringify!($name), String::from($language.$name($($($value),+)?)))),*]
    };
}

/// What `say` of `public/texts.js` finds, as an object of JSON.
pub(crate) fn script_texts(t: Language) -> String {
    let texts = by_name(t).into_iter();
    let texts = texts.map(|(name, text)| (name.to_owned(), text.into()));
    serde_json::Value::Object(texts.collect()).to_string()
}

pub(super) fn by_name(t: Language) -> Vec<(&'static str, String)> {
    named! { t:
        answer_lost,
        connection_lost,
        copied,
        copy,
        counting,
        file_tokens("{count}"),
        full_stop,
        has_ended,
        is_new_conversation,
        message_empty,
        model_is_answering,
        model_is_thinking,
        no_longer_there,
        not_copied,
        not_sent("{why}"),
        not_stopped("{why}"),
        press_ctrl_c,
        prompt_so_far("{done}", "{total}"),
        reading_prompt,
        remove_named("{name}"),
        room_for_files("{count}", "{context}"),
        seconds_so_far("{seconds}"),
        sending,
        server_status("{status}"),
        thinking,
        trying_again,
        try_again,
        unreachable,
        waiting,
        waiting_behind,
        waiting_turn,
        withdraw,
        writing,
    }
}

super::texts! {
    model_is_thinking: "The model is thinking." | "模型正在思考。";
    trying_again: "Connection lost, trying again" | "连接已断开，正在重试";
    connection_lost: "The connection is lost, trying again." | "连接已断开，正在重试。";
    answer_lost: "The connection to this answer is lost." | "与此回答的连接已断开。";
    no_longer_there: "The server no longer has this answer: it was started anew meanwhile. Ask again." | "服务器已重新启动，不再有此回答，请重新提问。";
    sending: "Sending." | "正在发送。";
    not_sent(why): "The message was not sent: {why}. Press Send to try again." | "消息未发送：{why}。请点击“发送”重试。";
    not_stopped(why): "The answer could not be stopped: {why}." | "无法停止回答：{why}。";
    unreachable: "the server cannot be reached" | "无法连接到服务器";
    server_status(status): "the server answered with status {status}" | "服务器返回状态码 {status}";
    is_new_conversation: "A new conversation begins here: the model no longer knows what stands above." | "从这里开始是新对话，模型不再记得以上内容。";
}

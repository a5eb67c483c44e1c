//! Why a file of conversations, or one of them, was not taken in.

super::texts! {
    file_too_large(mib): "the file is too large: it may have at most {mib} MiB" | "文件过大：最多 {mib} MiB";
    file_busy: "another file is being imported; try again in a moment" | "正在导入另一个文件，请稍后重试";
    file_broken: "no file arrived whole; choose one and try again" | "未收到完整的文件，请选择文件后重试";
    file_unreadable(why): "the file cannot be read now: {why}" | "暂时无法读取文件：{why}";
    file_is_zip: "the file is a ZIP archive: unpack it, and choose `conversations.json`" | "该文件是 ZIP 压缩包：请解压后选择 `conversations.json`";
    file_no_json(why): "the file is no JSON of conversations: {why}" | "该文件不是对话的 JSON 文件：{why}";
    file_too_new(version, known): "the file is of version {version} of Nibble’s chats, and this program reads version {known}" | "该文件的 Nibble 对话格式版本为 {version}，本程序只支持版本 {known}";
    too_many_conversations(count, limit): "the file holds {count} conversations, and may hold at most {limit}" | "该文件包含 {count} 个对话，最多允许 {limit} 个";

    conversation_number(number): "conversation {number}" | "第 {number} 个对话";
    untitled: "Untitled" | "未命名";
    part_too_large(found, limit): "it has {found} MiB, and may have at most {limit}" | "大小为 {found} MiB，最多允许 {limit} MiB";
    part_unreadable(why): "it cannot be read: {why}" | "无法读取：{why}";
    part_unknown: "it is no conversation of Nibble, Open WebUI or ChatGPT" | "不是 Nibble、Open WebUI 或 ChatGPT 的对话";
    no_messages: "it has no messages" | "没有消息";
    too_many_messages(count, limit): "it has {count} messages, and may have at most {limit}" | "包含 {count} 条消息，最多允许 {limit} 条";
    message_follows_nothing(id): "message `{id}` follows nothing that it can follow" | "消息 `{id}` 前面没有可以承接的消息";
    two_messages(id): "two messages are named `{id}`" | "有两条消息的标识都是 `{id}`";
    question_without_answer(id): "question `{id}` has no answer, not even an empty one" | "问题 `{id}` 没有回答，连空回答也没有";
    a_message: "a message" | "一条消息";
    its_text: "its text" | "全部文本";
    a_model_name: "the name of a model" | "模型名称";
    a_quantisation: "a quantisation" | "量化方式";
    a_kv_precision: "a precision of keys and values" | "键和值的精度";
    a_kernel_name: "the name of a kernel" | "内核名称";
    most_kib(what, found, limit): "{what} has {found} KiB, and may have at most {limit}" | "{what}为 {found} KiB，最多允许 {limit} KiB";
}

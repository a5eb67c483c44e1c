//! Why something was not done. These are written like errors: where a sentence is wanted, `Language::sentence` makes one.

super::texts! {
    full_stop: "." | "。";
    comma: ", " | "，";
    colon: ": " | "：";

    conversation_gone: "the conversation is gone, or is not yours; a message that is sent from here begins a new one" | "对话已不存在，或不属于你；从这里发送消息将开始新对话";
    conversation_full(limit): "this conversation is full: it may have at most {limit} messages; `New chat` begins another" | "此对话已满：最多 {limit} 条消息；请点击“新对话”另起一个";
    prompt_too_long(tokens, context): "the prompt has {tokens} tokens, and the context of {context} must leave room for an answer" | "提示词有 {tokens} 个 token，而 {context} 个 token 的上下文须为回答留出空间";
    prompt_far_too_long(tokens, context): "the prompt has at least {tokens} tokens, and the context of {context} must leave room for an answer" | "提示词至少有 {tokens} 个 token，而 {context} 个 token 的上下文须为回答留出空间";
    not_kept(why): "conversations cannot be kept now: {why}" | "暂时无法保存对话：{why}";
    try_again_in(why, seconds): "{why}; try again in about {seconds} s" | "{why}；请在约 {seconds} 秒后重试";
    try_again_soon(why): "{why}; try again in a moment" | "{why}；请稍后重试";
    queue_full(waiting, limit): "the queue is full: {waiting} of {limit} requests are waiting" | "队列已满：{limit} 个位置中已有 {waiting} 个请求在等待";
    engine_stopped: "the engine has stopped" | "推理引擎已停止";
    server_ending: "the server is ending" | "服务器正在关闭";
    engine_failed: "the engine could not go on" | "推理引擎无法继续";

    chat_too_long(tokens, context): "this chat is longer than the model’s context: with the question it has {tokens} tokens, and the context of {context} must leave room for an answer" | "此对话超出模型的上下文：连同问题共 {tokens} 个 token，而 {context} 个 token 的上下文须为回答留出空间";
    chat_far_too_long(tokens, context): "this chat is longer than the model’s context: with the question it has at least {tokens} tokens, and the context of {context} must leave room for an answer" | "此对话超出模型的上下文：连同问题至少有 {tokens} 个 token，而 {context} 个 token 的上下文须为回答留出空间";
    too_much_text(kib): "this chat has more text than the {kib} KiB that the model can be told" | "此对话的文本超过模型可接收的 {kib} KiB";
    most_presets(limit): "there may be at most {limit} presets of yours; delete one first" | "最多保存 {limit} 个预设，请先删除一个";
    no_such_preset(name): "you have saved no preset `{name}`" | "你没有保存过预设 `{name}`";
    preset_name_empty: "the name of the preset is empty" | "预设名称为空";
    preset_name_too_long(limit, found): "the name of a preset may have at most {limit} characters, found {found}" | "预设名称最多 {limit} 个字符，实际为 {found} 个";

    message_empty: "the message is empty" | "消息为空";
    message_and_files_at_most(mib): "a message and its files may have at most {mib} MiB together" | "消息与文件合计最多 {mib} MiB";
    most_files(limit, found): "there may be at most {limit} files, found {found}" | "最多 {limit} 个文件，实际有 {found} 个";
    file_is_no_text(name): "`{name}` is not text: a file must be in UTF-8, or in UTF-16 with its mark" | "`{name}` 不是文本：文件须为 UTF-8，或带 BOM 的 UTF-16";
    file_is_pdf(name): "`{name}` is a PDF, which cannot be read: copy its text into the message or a text file" | "`{name}` 是 PDF，无法读取：请将其文字复制到消息或文本文件中";
    file_has_no_text(name): "`{name}` has no text" | "`{name}` 中没有文本";
    file_too_long(name, found, limit): "`{name}` has {found} KiB of text, and a file may have at most {limit}" | "`{name}` 有 {found} KiB 文本，每个文件最多 {limit} KiB";
    files_too_long(found, limit): "the files have {found} KiB of text together, and may have at most {limit}" | "文件合计有 {found} KiB 文本，最多 {limit} KiB";
    files_unreadable_now: "the files cannot be read now; try again in a moment" | "暂时无法读取文件，请稍后重试";
    files_are_missed: "the page was made anew, and files cannot come with it; choose them again" | "页面已重新加载，无法保留文件；请重新选择";
    choose_files_again(why): "{why}; choose the files again" | "{why}；请重新选择文件";
    the_message: "the message" | "消息";
    the_system_prompt: "the system prompt" | "系统提示词";
    at_most_kib(what, limit, found): "{what} may have at most {limit} KiB, found {found} KiB" | "{what}最多 {limit} KiB，实际为 {found} KiB";
    the_temperature: "the temperature" | "温度";
    the_max_tokens: "max response tokens" | "最大输出 token 数";
    the_price: "$ per hour" | "每小时价格";
    the_top_k: "top-k" | "top-k ";
    the_top_p: "top-p" | "top-p ";
    the_min_p: "min-p" | "min-p ";
    the_seed: "the seed" | "随机种子";
    the_thought_tokens: "most tokens of a thought" | "思考 token 数上限";
    must_be_number(what, low, high, found): "{what} must be a number from {low} to {high}, found `{found}`" | "{what}必须是 {low} 到 {high} 之间的数，实际为 `{found}`";
    must_be_whole(what, low, high, found): "{what} must be a whole number from {low} to {high}, found `{found}`" | "{what}必须是 {low} 到 {high} 之间的整数，实际为 `{found}`";
    most_stops(limit, found): "there may be at most {limit} stop texts, one a line, found {found}" | "最多 {limit} 个停止文本，每行一个，实际有 {found} 个";
    longest_stop(limit, found): "a stop text may have at most {limit} bytes, found {found}" | "停止文本最多 {limit} 字节，实际为 {found} 字节";

    wrong_password: "that is not the password" | "密码不正确";
    too_many_wrong(seconds): "too many wrong passwords; try again in {seconds} s" | "密码错误次数过多，请在 {seconds} 秒后重试";
    sign_in_first(path): "sign in at {path} first" | "请先在 {path} 登录";
    form_unreadable(path, why): "the form for `{path}` cannot be read: {why}" | "无法读取提交到 `{path}` 的表单：{why}";
    form_fields: "its fields are no texts with plain names" | "字段须为文本，且名称不能含特殊字符";
    not_rendered: "the page could not be rendered; try again in a moment" | "页面无法显示，请稍后重试";
    no_such_answer: "there is no such answer" | "回答不存在";
    no_such_run: "there is no such run" | "该生成任务不存在";
    no_conversation: "there is no such conversation" | "对话不存在";
    readers_most(count): "{count} readers follow this answer, as many as may" | "已有 {count} 人正在查看此回答，达到上限";
    body_too_large(mib): "the body may have at most {mib} MiB" | "请求内容最多 {mib} MiB";
    bodies_busy(count, kib): "{count} bodies of more than {kib} KiB are being read, as many as there is room for" | "正在读取 {count} 个超过 {kib} KiB 的请求，已达到上限";
    body_late(seconds): "the body must arrive within {seconds} s" | "请求内容必须在 {seconds} 秒内到达";
    body_slow(pause, whole): "the body came too slowly: it may pause for {pause} s, and take {whole} s in all" | "请求内容到达过慢：停顿不得超过 {pause} 秒，总共不得超过 {whole} 秒";
    body_coded: "the body may be plain or in `Content-Encoding: gzip`, and in no other coding" | "请求内容可以不压缩，或使用 `Content-Encoding: gzip`，不支持其他编码";
    body_no_gzip: "the body is not whole gzip, as its `Content-Encoding` says" | "请求内容不是完整的 gzip，与其 `Content-Encoding` 不符";
    body_broken: "the body did not arrive whole" | "请求内容不完整";
}

//! The chat and what is around it: header, sidebar, list, composer, what an empty page offers.

super::texts! {
    about_this_program: "Chat with a Llama model that runs on this machine’s CPU" | "与运行在这台机器 CPU 上的 Llama 模型对话";
    skip_to_message: "Skip to the message" | "跳到消息输入框";
    conversation: "Conversation" | "对话内容";
    end_of_chat: "To the end of this chat" | "到对话末尾";
    earlier_in_chat: "Earlier in this chat" | "更早的内容";
    shared_with_you: "Somebody shares this chat with you, to read." | "这是他人分享给你的对话，仅供阅读。";

    greeting: "Greeting" | "问候";
    // The model's name stands between the two.
    hello_i_am: "Hello! I am " | "你好！我是 ";
    running_here(bits): ", running on this machine’s CPU at {bits}. What shall we talk about?" | "，正以{bits}运行在这台机器的 CPU 上。想聊点什么？";
    four_bits: "four bits a weight" | "每个权重 4 比特";
    bits(bits): "{bits} bits a weight" | "每个权重 {bits} 比特";
    threads[count]: "{count} thread" | "{count} threads" | "{count} 个线程";

    chats_and_settings: "Chats and settings" | "对话与设置";
    this_chat: "This chat" | "当前对话";
    new_chat: "New chat" | "新对话";
    close: "Close" | "关闭";
    pages: "Pages" | "页面";
    colours: "Colours" | "外观";
    as_the_system: "As the system" | "跟随系统";
    light: "Light" | "浅色";
    dark: "Dark" | "深色";
    language: "Language" | "语言";
    sign_out: "Sign out" | "退出登录";

    chats: "Chats" | "对话";
    all_chats: "All chats" | "全部对话";
    chats_counted[count]: "{count} chat" | "{count} chats" | "{count} 个对话";
    pinned_chats: "Pinned" | "置顶";
    search_chats: "Search chats" | "搜索对话";
    search: "Search" | "搜索";
    today: "Today" | "今天";
    yesterday: "Yesterday" | "昨天";
    // As `strftime` has it.
    day_format: "%-d %B" | "%-m月%-d日";
    date_format: "%-d %B %Y" | "%Y年%-m月%-d日";

    title: "Title" | "标题";
    rename: "Rename" | "重命名";
    pin: "Pin" | "置顶";
    unpin: "Unpin" | "取消置顶";
    share_by_link: "Share by link" | "通过链接分享";
    stop_sharing: "Stop sharing" | "停止分享";
    export: "Export" | "导出";
    delete: "Delete" | "删除";
    question_deleted: "The question and what follows it are deleted." | "该问题及其后的内容已删除。";
    chat_deleted: "The chat is deleted." | "对话已删除。";
    all_chats_deleted: "All chats are deleted." | "所有对话已删除。";
    chat_shared: "Whoever has the address of this page can read this chat now." | "现在，知道本页地址的人都可以阅读此对话。";
    undo: "Undo" | "撤销";
    undo_for_a_while: "For ten minutes that can be undone." | "十分钟内可以撤销。";

    context_taken(taken, all): "Context: {taken} of {all} tokens" | "上下文：{taken} / {all} 个 token";
    context_nearly_full(taken, all): "Context nearly full: {taken} of {all} tokens" | "上下文即将用尽：{taken} / {all} 个 token";
    forgotten_above: "The model no longer sees what stands above" | "模型已看不到以上内容";
    go_on_without_oldest: "Go on without the oldest turns" | "去掉最早的内容后继续";
    ask_in_new_chat: "Ask in a new chat" | "在新对话中提问";
    continue_in_new_chat: "Continue in a new chat" | "在新对话中继续";

    message: "Message" | "消息";
    ask_something: "Ask something" | "输入问题";
    attach_files: "Attach files" | "添加文件";
    files_of_message: "Files of this message" | "此消息的文件";
    counting: "counting …" | "正在计算…";
    file_tokens(count): "{count} tokens" | "{count} 个 token";
    room_for_files(count, context): "{count} of the {context} tokens that the model can read" | "模型可读取 {context} 个 token，已占 {count} 个";
    file_named(name): "File `{name}`:" | "文件 `{name}`：";
    remove_named(name): "Remove {name}" | "移除 {name}";
    show_all: "Show all" | "显示全部";
    send: "Send" | "发送";
    check: "Check" | "预估";
    outlook_prompt(prompt, cached): "Prompt: {prompt} tokens, {cached} cached" | "提示词：{prompt} 个 token，其中缓存 {cached} 个";
    outlook_first(time): "first token after about {time}" | "首个 token 约需 {time}";
    outlook_all(time, tokens): "about {time} for {tokens} tokens" | "{tokens} 个 token 共约 {time}";
    outlook_half(fewest, most, soonest, latest): "half of the answers here have {fewest} to {most} tokens: {soonest} to {latest}" | "这里半数回答有 {fewest} 至 {most} 个 token：{soonest} 至 {latest}";
    outlook_at_most(usd): "at most {usd}" | "最多 {usd}";
    outlook_beside[count]: "{count} answer beside it" | "{count} answers beside it" | "另有 {count} 个回答同时进行";
    outlook_unmeasured: "no speed measured here yet" | "尚未在此测得速度";
    outlook_too_long(prompt, context): "The prompt has {prompt} tokens, and the model can read {context}." | "提示词有 {prompt} 个 token，模型最多可读取 {context} 个。";
    model_is_out: "The model is not in memory now: the first answer waits until it is loaded." | "模型当前不在内存中：首个回答需等待加载完成。";
    model_not_loaded(name): "{name} (not loaded)" | "{name}（未加载）";
    stop: "Stop" | "停止";
    enter_sends: "Enter sends, Shift+Enter breaks the line. " | "Enter 发送，Shift+Enter 换行。";
    models_err: "Models make mistakes: check what matters. " | "模型可能出错，重要内容请核实。";
    keys: "Keys" | "快捷键";
    open_settings: "Open settings" | "打开设置";
    model_is_answering: "The model is answering." | "模型正在回答。";
    jump_to_latest: "Jump to latest" | "跳到最新";
    key_sends: "sends the message" | "发送消息";
    key_breaks: "breaks the line" | "换行";
    key_edits: "edits the last question, in an empty message" | "编辑上一个问题（输入框为空时）";
    key_stops: "stops the answer, or leaves the edited question" | "停止回答，或退出问题编辑";
    key_begins: "begins a new chat" | "开始新对话";
    key_lists: "shows this list, outside of a field" | "显示此列表（不在输入框中时）";

    to_begin_with: "To begin with" | "试试这些";
    short_answer: "A short answer" | "简短回答";
    short_answer_about: "Why is the sky blue?" | "天空为什么是蓝色的？";
    short_answer_asked: "Why is the sky blue? Answer in two sentences." | "天空为什么是蓝色的？请用两句话回答。";
    long_text: "A long text to read" | "阅读长文";
    long_text_about: "Sum up a page about tides" | "总结一篇关于潮汐的文章";
    some_code: "Some code" | "写代码";
    some_code_about: "A palindrome test in Python" | "用 Python 判断回文";
    some_code_asked: "Write a Python function that tells whether a word is a palindrome, and show how it is called." | "写一个判断单词是否为回文的 Python 函数，并给出调用示例。";
    long_answer: "A long answer" | "长篇回答";
    long_answer_about: "A lighthouse keeper’s story" | "灯塔看守人的故事";
    long_answer_asked: "Write a long story about a lighthouse keeper and the sea." | "写一个关于灯塔看守人与大海的长篇故事。";
}

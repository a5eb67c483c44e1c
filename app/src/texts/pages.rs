//! Pages of few words, and conversations in files.

super::texts! {
    all_chats_of_browser: "All chats of this browser" | "此浏览器中的全部对话";
    no_chats_yet: "There are no chats yet." | "还没有对话。";
    no_chat_found: "No chat has all of these words." | "没有包含所有这些词的对话。";
    more_chats: "More" | "更多";
    is_pinned: "pinned" | "已置顶";
    is_shared: "shared" | "已分享";
    change: "Change" | "更改";
    delete_all_chats: "Delete all chats" | "删除全部对话";

    import_and_export: "Import and export" | "导入与导出";
    file_of_chats: "A file of chats from Nibble, Open WebUI or ChatGPT" | "来自 Nibble、Open WebUI 或 ChatGPT 的对话文件";
    import: "Import" | "导入";
    export_all_chats: "Export all chats" | "导出全部对话";
    imported(chats): "Imported {chats}." | "已导入 {chats}。";
    imported_some(chats, left_out): "Imported {chats}, left out {left_out}:" | "已导入 {chats}，跳过 {left_out} 个：";
    and_more(count): "and {count} more" | "以及另外 {count} 个";
    messages_counted[count]: "{count} message" | "{count} messages" | "{count} 条消息";
    without_messages(messages): "Without {messages} of tools, images and the like, which have no place here." | "未包含 {messages}（工具、图片等，此处不支持）。";

    not_found: "Not found" | "未找到";
    no_such_page: "There is no such page" | "页面不存在";
    no_such_page_why: "The address may be mistyped or out of date." | "地址可能有误或已失效。";
    no_such_conversation: "There is no such conversation" | "对话不存在";
    no_such_conversation_why: "It was deleted, or it was begun in another browser, whose owner does not share it." | "它已被删除，或在其他浏览器中创建且未被分享。";
    conversation_unreadable: "This conversation cannot be read now" | "暂时无法读取此对话";
    begin_anew: "Begin a new conversation" | "开始新对话";

    no_connection: "No connection" | "无法连接";
    cannot_be_reached: "Nibble cannot be reached" | "无法连接到 Nibble";
    cannot_be_reached_why: "The model runs on the server, so nothing can be answered or read here until the server is back. No answers are kept in this browser." | "模型运行在服务器上，服务器恢复之前无法提问或阅读。此浏览器不保存任何回答。";
    try_again: "Try again" | "重试";

    sign_in: "Sign in" | "登录";
    sign_in_why: "This server asks for its password before it shows chats." | "此服务器需要输入密码才能查看对话。";
    password: "Password" | "密码";

    // The name of a file.
    all_chats_file: "all chats" | "全部对话";
}

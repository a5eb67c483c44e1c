//! Questions and answers: what can be done with them, how they go on and end, and what they took.

super::texts! {
    question: "Question" | "问题";
    answer: "Answer" | "回答";
    copy: "Copy" | "复制";
    copied: "Copied" | "已复制";
    not_copied: "Not copied" | "复制失败";
    press_ctrl_c: "Press Ctrl+C" | "请按 Ctrl+C";
    again: "Again" | "重新生成";
    go_on: "Continue" | "继续生成";
    branch: "Branch" | "创建分支";
    edit: "Edit" | "编辑";
    edited_question: "The question, edited" | "编辑后的问题";
    ask_instead: "Ask instead" | "重新提问";
    withdraw: "Withdraw" | "撤回";
    answer_of(number, count): "Answer {number} of {count}" | "第 {number} 个回答，共 {count} 个";
    question_of(number, count): "Question {number} of {count}" | "第 {number} 个问题，共 {count} 个";
    answer_before: "Answer before" | "上一个回答";
    answer_after: "Answer after" | "下一个回答";
    question_before: "Question before" | "上一个问题";
    question_after: "Question after" | "下一个问题";
    footnote(number): "Footnote {number}" | "脚注 {number}";
    footnote_back(number): "Back to reference {number}" | "返回引用 {number}";
    task_done: "Done" | "已完成";
    task_open: "To do" | "待办";

    waiting: "Waiting" | "等待中";
    waiting_behind: "Waiting for the answer before it" | "等待上一个回答完成";
    waiting_turn: "Waiting for its turn" | "排队中";
    before_it(count): "{count} before it" | "前面还有 {count} 个";
    about_seconds(seconds): "about {seconds} s" | "约 {seconds} 秒";
    reading_prompt: "Reading the prompt" | "正在读取提示词";
    prompt_so_far(done, total): "{done} of {total} tokens" | "{done} / {total} 个 token";
    thinking: "Thinking" | "思考中";
    writing: "Writing" | "正在输出";
    seconds_so_far(seconds): "{seconds} s" | "{seconds} 秒";
    readers_full: "So many people follow this answer that there is no room for another. Load the page again in a moment." | "正在查看此回答的人过多，暂时无法加入，请稍后刷新页面。";
    answer_unreadable: "This answer cannot be read now. Load the page again in a moment." | "暂时无法读取此回答，请稍后刷新页面。";

    is_complete: "The answer is complete." | "回答已完成。";
    was_cut_off: "The answer was cut off." | "回答被截断。";
    repeated_itself: "The answer was ended: it repeated itself." | "回答因内容重复而结束。";
    was_stopped: "The answer was stopped." | "回答已停止。";
    was_interrupted: "The answer was interrupted." | "回答已中断。";
    has_failed: "The answer failed." | "回答失败。";
    is_gone: "The answer is gone." | "回答已不存在。";
    has_ended: "The answer has ended." | "回答已结束。";

    end_max_tokens: "Cut off: the answer reached the most tokens that it may have." | "已截断：达到最大输出 token 数。";
    end_context: "Cut off: the model’s context is full." | "已截断：模型的上下文已满。";
    end_no_room: "Not answered: the model’s context has no room for it." | "未回答：模型的上下文没有剩余空间。";
    end_repetition: "Ended: the model wrote the same passage over and over." | "已结束：模型反复输出同一段内容。";
    end_stopped: "Stopped by you." | "已由你停止。";
    end_cut_off: "Cut off: the server was shut down before the answer was complete." | "已截断：回答完成前服务器已关闭。";
    end_interrupted: "Interrupted: the server ended while this was written." | "已中断：生成过程中服务器意外退出。";
    // The reason is kept as the engine gave it.
    end_failed(reason): "This answer failed: {reason}." | "回答失败：{reason}。";
    still_written: "Still being written." | "仍在生成。";
    thought: "Thought" | "思考过程";
    thought_took(time, tokens): " for {time}, {tokens} tokens" | "（{time}，{tokens} 个 token）";

    metrics: "Metrics" | "指标";
    more: "More" | "更多";
    more_figures: " figures" | "指标";
    ttft: "Time to first token" | "首个 token 时间 (TTFT)";
    decode_speed: "Decode speed" | "解码速度";
    usd_per_million: "Cost per million tokens" | "每百万 token 成本";
    total_time: "Total time" | "总耗时";
    total_cost: "Total cost" | "总成本";
    // The line shows "first" alone where there is little room.
    first: "first " | "首 token ";
    first_wide: "token " | "";
    first_token(time): "first token {time}" | "首个 token {time}";
    times_reading(times): "{times} reading" | "{times} 阅读速度";
    beside_reader: "Beside a fast reader" | "与快速阅读者相比";
    per_million_short(cost): "{cost} /M" | "{cost} /M";
    per_million(cost): "{cost} per million tokens" | "每百万 token {cost}";
    decoding_alone: "Decoding alone, per million tokens" | "仅解码，每百万 token";
    first_token_verdict: "First token" | "首个 token";
    time_per_token: "Time per token" | "每个 token 耗时";
    beside_engines: "Answers of other models meanwhile" | "同时由其他模型回答";
    beside_engines_up_to[count]: "{count} at most, which made it slower; its share of the cost leaves them out" | "up to {count} at a time, which made it slower; its share of the cost leaves them out" | "最多 {count} 个，因而更慢；成本份额未计入它们";
    queued: "Queued" | "排队";
    prefill: "Prefill" | "预填充";
    prefill_speed: "Prefill speed" | "预填充速度";
    prompt_tokens: "Prompt tokens" | "提示词 token 数";
    output_tokens: "Output tokens" | "输出 token 数";
    guessed_ahead: "Guessed ahead" | "提前猜测";
    computed_beside: "Computed beside" | "同时计算";
    cost_share: "Share of the cost" | "分摊成本";
    price: "Price" | "价格";
    reader_reads(times, speed): "{times}, who reads {speed} tokens/s" | "{times}（按每秒阅读 {speed} 个 token 计）";
    meets_bar(bar): "✓ meets the {bar} bar" | "✓ 达到 {bar}标准";
    misses_bar(bar): "✗ misses the {bar} bar" | "✗ 未达到 {bar}标准";
    guesses_right(right, all): "{right} of {all} tokens right" | "{all} 个 token 中猜对 {right} 个";
    of_them_cached(tokens, cached): "{tokens}, {cached} of them cached" | "{tokens}，其中 {cached} 个来自缓存";
    one_other: "1 other on average" | "平均 1 个";
    others(count): "{count} others on average" | "平均 {count} 个";
    share_alone(share, alone): "{share}, alone about {alone}" | "{share}，独占约 {alone}";
    share_of_all(share): "{share}, nothing beside it" | "{share}，没有同时计算的回答";

    under_a_millisecond: "under 1 ms" | "不到 1 毫秒";
    under_hundredth_millisecond: "under 0.01 ms" | "不到 0.01 毫秒";
    milliseconds(number): "{number} ms" | "{number} 毫秒";
    seconds(number): "{number} s" | "{number} 秒";
    minutes(minutes, seconds): "{minutes} min {seconds} s" | "{minutes} 分 {seconds} 秒";
    tokens_per_second(number): "{number} tokens/s" | "{number} token/秒";
}

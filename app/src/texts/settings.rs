//! The settings, the card of the model, and whose price a price is.

super::texts! {
    preset: "Preset" | "预设";
    use_preset: "Use" | "使用";
    save_as_preset: "Save as a preset" | "另存为预设";
    name_of_preset: "Name of the preset" | "预设名称";
    name_it: "Name" | "名称";
    save: "Save" | "保存";
    preset_defaults: "Defaults" | "默认";
    preset_short: "Short answers" | "简短回答";
    preset_short_prompt: "Answer in one or two short sentences." | "请用一两句话简短回答。";

    settings: "Settings" | "设置";
    more_settings: "More settings" | "更多设置";
    temperature: "Temperature" | "温度";
    max_response_tokens: "Max response tokens" | "最大输出 token 数";
    system_prompt: "System prompt" | "系统提示词";
    system_prompt_hint: "Instructions for the whole conversation" | "对整个对话生效的指令";
    // Before a value that cannot follow its slider.
    value_was: "was " | "原值 ";
    top_p: "Top-p" | "Top-p";
    top_k: "Top-k" | "Top-k";
    min_p: "Min-p" | "Min-p";
    seed: "Seed" | "随机种子";
    seed_each_time: "another each time" | "每次随机";
    as_the_model_advises(value): "{value}, as the model advises" | "{value}（模型推荐值）";
    stop_texts: "Texts that end an answer, one a line" | "停止文本（每行一个）";
    thinking_setting: "Thinking" | "思考";
    as_the_model_likes: "As the model likes" | "由模型决定";
    think_first: "Think first" | "先思考再回答";
    answer_at_once: "Answer at once" | "直接回答";
    most_thought_tokens: "Most tokens of a thought" | "思考 token 数上限";
    no_limit: "no limit" | "不限";

    price_of: "Price of" | "参考价格";
    own_machine: "your own machine" | "自己的机器";
    usd_per_hour: "$ per hour" | "每小时价格（美元）";
    known_prices(prices): "Known prices: {prices}." | "已知价格：{prices}。";
    own_price: "Your own price for this machine." | "你为这台机器设定的价格。";
    price_is_this(machine, year): "The price of {machine} on demand in us-east-1 in {year}, which this machine is." | "{machine} {year} 年在 us-east-1 的按需价格，与这台机器型号一致。";
    price_is_another(machine, year): "The price of {machine} on demand in us-east-1 in {year}. This machine is another: set what it costs you." | "{machine} {year} 年在 us-east-1 的按需价格。这台机器是其他型号，请填写你的实际成本。";
    price_may_be_another(machine, year): "The price of {machine} on demand in us-east-1 in {year}. This machine may be another: set what it costs you." | "{machine} {year} 年在 us-east-1 的按需价格。这台机器可能是其他型号，请填写你的实际成本。";
    stated_this(price, machine): "${price} an hour, {machine}" | "每小时 ${price}，{machine}";
    stated_another(price, machine): "${price} an hour, {machine}, not this machine" | "每小时 ${price}，{machine}（不是这台机器）";
    stated_perhaps_another(price, machine): "${price} an hour, {machine}, perhaps not this machine" | "每小时 ${price}，{machine}（可能不是这台机器）";
    stated_own(price): "${price} an hour, your own" | "每小时 ${price}，自定义";

    model: "Model" | "模型";
    parameters: "Parameters" | "参数量";
    weights: "Weights" | "权重";
    keys_and_values: "Keys and values" | "键和值";
    in_memory: "In memory" | "内存占用";
    context: "Context" | "上下文";
    tokens[count]: "{count} token" | "{count} tokens" | "{count} 个 token";
    kernel: "Kernel" | "计算内核";
    threads_used: "Threads" | "线程数";
    draft_model: "Draft model" | "草稿模型";
}

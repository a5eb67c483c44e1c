//! How the program works, the machine, and models.

super::texts! {
    how_it_works: "How it works" | "工作原理";
    about_program: "Nibble is one program: a web server, this page and a language model that runs on the CPU. The model asks no other service." | "Nibble 是一个程序：网页服务器、此页面以及在 CPU 上运行的语言模型。模型不调用任何外部服务。";
    drawing_of_program: "Drawing: a question goes from the browser through the server and the queue to the thread of the model and its kernels, and comes back as tokens, text and HTML." | "示意图：问题从浏览器经服务器和队列到达模型线程及其计算内核，再以 token、文本和 HTML 返回。";
    program_in_words: "What goes down stands at the left, what comes back at the right." | "左侧为向下传递的内容，右侧为返回的内容。";
    part_browser: "Browser, or a client of the API" | "浏览器或 API 客户端";
    part_server: "Server: pages, chats, API" | "服务器：页面、对话、API";
    part_queue: "Queue, and cache of prompts" | "队列与提示词缓存";
    part_model: "Thread of the model, step by step" | "模型线程，逐步计算";
    part_kernels: "Kernels, on all threads" | "计算内核，使用全部线程";
    goes_question: "question" | "问题";
    comes_html: "HTML, as it comes" | "流式 HTML";
    goes_tokens: "tokens of the prompt" | "提示词 token";
    comes_text: "text and figures" | "文本与指标";
    goes_turn: "whose turn it is" | "轮到的请求";
    comes_tokens: "a token for each" | "每个请求一个 token";
    goes_step: "a layer’s product" | "一层的乘积";
    comes_sums: "sums" | "和";

    from_bits_to_words: "How four bits become words" | "四个比特如何变成文字";
    drawing_of_block: "Drawing: a scale, and beside it 32 weights from 0 to 15" | "示意图：一个缩放系数，旁边是 32 个 0 到 15 的权重";
    scale: "scale" | "缩放";
    block_in_words: "A block: 32 weights of four bits in 16 bytes, and a scale that they share. A weight is scale × (its number − 8), or scale × its number + a minimum." | "一个块：32 个四比特权重占 16 字节，共用一个缩放系数。权重 = 缩放 ×（数值 − 8），或 缩放 × 数值 + 最小值。";
    step_tokens: "The tokenizer cuts the text into tokens, each a row of the embedding." | "分词器把文本切成 token，每个 token 对应嵌入矩阵的一行。";
    step_weights: "The weights of each layer lie in memory as blocks of four bits, in the order in which this CPU’s kernel reads them." | "每层的权重以四比特块存放在内存中，顺序与本机内核的读取顺序一致。";
    step_products: "What a layer takes in is rounded to eight bits. The kernel multiplies four bits by eight in whole numbers and adds them up; scales turn the sums back." | "每层的输入被舍入为八比特。内核以整数相乘四比特与八比特并累加，再用缩放系数还原。";
    step_layers: "Each layer looks back at the keys and values of the tokens before (attention) and then computes on each token by itself (feed-forward)." | "每层先回看之前 token 的键和值（注意力），再对每个 token 单独计算（前馈）。";
    step_sampling: "The last layer gives a number for each token that could follow; one is drawn by temperature, and the next step begins with it." | "最后一层为每个可能的后续 token 给出一个数值；按温度抽取一个，作为下一步的开始。";

    this_machine: "This machine" | "这台机器";
    kernels_here: "Kernels that it runs" | "支持的内核";
    kernels_missing: "Kernels that it cannot run" | "不支持的内核";
    features_here: "Instructions that it has" | "具备的指令集";
    features_missing: "Instructions that it lacks" | "缺少的指令集";

    roofline: "Roofline" | "Roofline（性能上限）";
    roofline_drawing: "Chart: what this machine can multiply for each byte that it reads, and where this model stands. The numbers stand below." | "图表：本机每读取一个字节所能完成的乘法，以及此模型所处的位置。数据见下方。";
    roofline_in_words: "Products a second over products for each byte that is read. At the left memory is the limit, at the right the multipliers. Decoding reads all weights for one token, prefill for a whole prompt at a time." | "纵轴为每秒乘加次数，横轴为每读取一字节的乘加次数。左侧受内存限制，右侧受乘法单元限制。解码每个 token 都要读取全部权重，预填充则一次处理整个提示词。";
    roof_of(read, multiplies): "The roof: {read} read, {multiplies}." | "上限：读取 {read}，{multiplies}。";
    products_per_byte: "Products per byte" | "每字节乘加次数";
    reached: "Reached" | "达到";
    of_the_roof: "Of the roof" | "占上限";
    decode_alone: "Decode" | "解码";
    limits_of(day): "Measured on {day}." | "测量于 {day}。";
    measure_limits: "Measure this machine (about a second)" | "测量本机（约一秒）";
    not_idle: "answers are being computed, beside which nothing can be measured: try again when they have ended" | "正在计算回答，此时无法测量：请在回答结束后重试";
    limits_not_measured: "the machine’s limits cannot be measured now" | "暂时无法测量本机上限";

    formulas: "Formulas" | "计算公式";
    figure: "Figure" | "指标";
    formula: "Formula" | "公式";
    last_answer: "Your last answer" | "你的最近回答";
    numbers_of_last(tokens): "With the numbers of your last answer, of {tokens} tokens." | "代入你最近回答（{tokens} 个 token）的数值。";
    no_last_answer: "Ask something, and the numbers of your last answer stand here too." | "提问之后，这里会代入你最近回答的数值。";
    rule_ttft: "first token out − accepted" | "首个 token 输出时刻 − 接收时刻";
    rule_prefill: "prompt tokens computed / prefill time" | "计算的提示词 token 数 / 预填充时间";
    rule_decode: "(output tokens − 1) / (last token − first token)" | "（输出 token 数 − 1）/（末个 token − 首个 token 时刻）";
    rule_per_token: "1000 ms / decode speed" | "1000 毫秒 / 解码速度";
    rule_cost: "$ per hour / 3600 × total time" | "每小时价格 / 3600 × 总耗时";
    rule_per_million: "total cost / output tokens × 10⁶" | "总成本 / 输出 token 数 × 10⁶";
    rule_share: "$ per hour / 3600 × the machine’s time for it" | "每小时价格 / 3600 × 机器为其花费的时间";

    models: "Models" | "模型";
    models_why: "Models on the server’s disk, and those that have a short name." | "服务器磁盘上的模型，以及有简称的模型。";
    is_in_memory: "in memory" | "已加载";
    is_loaded_when_asked: "loaded when it is asked" | "被请求时加载";
    model_in_use: "In use" | "正在使用";
    models_here: "On this disk" | "在此磁盘上";
    no_models_here: "None are in the cache folder." | "缓存文件夹中没有模型。";
    models_unreadable: "The cache folder cannot be read now." | "暂时无法读取缓存文件夹。";
    not_whole(bytes): "{bytes}, not whole yet" | "{bytes}，尚未完整";
    size: "Size" | "大小";
    packed: "Packed weights" | "打包权重";
    bits_of_file: "Bits" | "比特";
    memory_needed: "Memory needed" | "所需内存";
    licence: "Licence" | "许可证";
    gated_licence(licence): "{licence}, to be accepted first" | "{licence}，需先接受";
    models_to_fetch: "To be fetched" | "可获取";
    memory_left(bytes): "{bytes} of memory are left beside the model in use." | "除正在使用的模型外，剩余内存 {bytes}。";
    fetch_how: "Whoever runs the server fetches and serves one by its name: nibble --model NAME." | "由服务器管理员按名称获取并运行：nibble --model 名称。";
    download: "Download" | "下载大小";
    fits_here: "Fits" | "内存足够";
    fits: "yes" | "是";
    fits_not: "no" | "否";
    on_disk: "Here" | "已下载";
    is_here: "yes" | "是";
    repository: "Repository" | "仓库";
}

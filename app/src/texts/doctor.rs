//! What is found at the machine, and advice.

super::texts! {
    doctor_cpu: "CPU" | "CPU";
    doctor_limit: "Limit of CPU" | "CPU 限额";
    doctor_load: "Other load" | "其他负载";
    doctor_huge_pages: "Huge pages" | "大页";
    doctor_governor: "Clock" | "CPU 频率策略";
    doctor_memory: "Free memory" | "可用内存";
    doctor_memory_needed(left, model, needed): "{left}; {model} needs {needed}" | "{left}；{model} 需要 {needed}";
    doctor_reading: "Reading memory" | "内存读取";
    doctor_reading_of(rate, usual): "{rate}; as many cores of such a CPU usually have {usual}" | "{rate}；同数量的此类 CPU 核心通常为 {usual}";
    doctor_reading_unknown(rate): "{rate}; what such machines usually have is not known" | "{rate}；此类机器的常见值未知";
    doctor_memory_limit: "Limit of memory" | "内存限额";
    doctor_multiplies: "Multiplying" | "乘法";
    doctor_threads_of(threads, cores, cpus): "{threads}; it may run on {cpus} CPUs of {cores} cores" | "{threads} 个；可用 {cores} 核的 {cpus} 个逻辑 CPU";
    doctor_quota(cpus): "{cpus} CPUs" | "{cpus} 个 CPU";
    doctor_throttled(cpus, share): "{cpus} CPUs, which ran out in {share} % of the periods" | "{cpus} 个 CPU，{share}% 的周期用尽";
    doctor_busy(cpus): "{cpus} CPUs busy" | "{cpus} 个 CPU 忙";
    bytes_per_second(bytes): "{bytes}/s" | "{bytes}/秒";
    products_per_second(count): "{count} products/s" | "{count} 次乘加/秒";

    advice_other_kernel(kernel): "this CPU runs `{kernel}`, which is faster: leave `--kernel` out" | "此 CPU 支持更快的 `{kernel}`：请勿指定 `--kernel`";
    advice_better_cpu(kernel): "a CPU that runs `{kernel}` reads prompts faster" | "支持 `{kernel}` 的 CPU 读取提示词更快";
    advice_fewer_threads(threads): "more threads than may run at once wait for each other: take `--threads {threads}`" | "线程多于可同时运行的数量，会互相等待：请用 `--threads {threads}`";
    advice_more_threads(threads): "CPUs are left unused: take `--threads {threads}`" | "有 CPU 闲置：请用 `--threads {threads}`";
    advice_hyper_threads(cores): "two threads of a core share its multipliers: try `--threads {cores}`" | "同一核的两个线程共用乘法单元：请试 `--threads {cores}`";
    advice_quota: "threads wait when the limit runs out: raise it, or take no more threads than it has whole CPUs" | "限额用尽时线程须等待：请提高限额，或让线程数不超过其整数 CPU 数";
    advice_busy: "something else uses the machine: end it, or move it elsewhere" | "有其他程序占用机器：请结束或移走";
    advice_huge_pages: "without huge pages reading weights costs a fifth more: write `madvise` into /sys/kernel/mm/transparent_hugepage/enabled" | "没有大页时读取权重慢五分之一：请将 `madvise` 写入 /sys/kernel/mm/transparent_hugepage/enabled";
    advice_governor: "the clock is kept low: set the governor `performance`" | "CPU 频率被压低：请设为 `performance`";
    advice_memory: "less memory is left than the model needs: take a smaller model, or a machine with more memory" | "剩余内存少于模型所需：请用更小的模型或内存更大的机器";
    advice_reading: "decoding is as fast as memory is read, which is slow here: fill all channels of memory, or take another machine" | "解码速度取决于内存读取，而此处较慢：请插满内存通道，或换一台机器";
}

extension RunConfiguration {
    /// The documented groups of settings that `preset` can name; each lies above the defaults and below everything else.
    ///
    /// AdvMoE's are for its baselines too: what is of mixtures, of a method or of its attack is left out where the file or the
    /// command line chooses a network without experts, or another method.
    static let presets: [String: ConfigurationPreset<RunConfiguration>] = [
        "robust-sparse-moes": ConfigurationPreset("robust-sparse-moes", .init(robustSparseMoEs)),
        "advmoe-paper": ConfigurationPreset(
            "advmoe-paper", .init(advMoEPaper),
            .init("moe: {kind: channel, scope: layer, router: gap-linear, experts: 2, slabs: overlapping}") {
                $0.moe.kind != .none
            },
            .init("attack: {objective: kl}") { [.trades, .advmoe].contains($0.training.method) },
            .init(advMoEPaperMethod) { $0.training.method == .advmoe }),
        "advmoe-code": ConfigurationPreset(
            "advmoe-code", .init(advMoECode), .init(advMoECodeMixture) { $0.moe.kind != .none },
            .init("training: {trades: {statistics_updates: published}}") { $0.training.method == .trades },
            .init(advMoECodeMethod) { $0.training.method == .advmoe }),
    ]

    /// What the published experiments of "Robust Experts" share, with the habits of their code.
    ///
    /// A fifth of the training
    /// images held back; rates set once an epoch, the first one at a hundredth; an attack of rounded radius and step that
    /// meets the model in training mode, with noisy routes, and moves its running statistics; PGD-20 and APGD after the
    /// last epoch only. Methods and networks are for the file to choose: `free` and `fast` were run with radius and step
    /// 4/255 and, `fast`, with `attack.name: fgsm` and `attack.start: uniform-unclamped`; ResNet-50 with
    /// `schedule: {name: cosine, warmup_epochs: 5, minimum_rate: 5e-5}`.
    private static let robustSparseMoEs = """
        model: {initialization: robust-sparse-moes}
        moe: {experts: 4, top_k: 1, straight_through: auto, noise: 0.1, balance: {loss: entropy, weight: 0.5}}
        training:
          epochs: 100
          global_batch: 640
          seed: 12345
          validation_fraction: 0.2
          free: {replays: 4, replay_balance_factor: 2}
          optimizer: {rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4}
          schedule: {name: poly, power: 0.9, per: epoch, warmup: product}
        attack:
          name: pgd
          epsilon: 0.03137
          step_size: 0.00784313725
          steps: 7
          start: uniform
          batch_norm: batch-updating
          routing: noisy
        evaluation:
          attacks:
            - {name: pgd, epsilon: 8/255, step_size: 2/255, steps: 20, start: uniform}
            - {name: apgd-ce, epsilon: 8/255, steps: 20}
          attacks_every_epochs: 0
        data: {dataset: cifar100, augmentation: [crop, flip, color-jitter]}
        """

    /// AdvMoE as its paper tells it (arXiv:2308.10110, algorithm 1): a router in every layer; in each step routers first, then
    /// experts, on batches of their own, both by TRADES against a two-step attack on the divergence.
    ///
    /// The paper does not tell its router. A linear layer of the pooled map, this preset's, costs a thousandth of the
    /// network, so it cannot give the paper's multiply-adds of mixtures; `moe.router=resnet20` is one trunk on the image with a
    /// head a layer, whose 40.6 million at 32×32 give them for VGG-16, and no rule gives them all.
    private static let advMoEPaper = """
        model: {normalize: none, ratio: 0.5, initialization: advmoe}
        training:
          epochs: 100
          global_batch: 128
          seed: 1234
          optimizer: {rate: 0.1, momentum: 0.9, weight_decay: 5e-4}
          schedule: {name: cosine}
        attack: {name: pgd, epsilon: 8/255, step_size: 5/255, steps: 2, start: gaussian}
        evaluation:
          attacks:
            - {name: pgd, epsilon: 8/255, step_size: 2/255, steps: 50, start: uniform}
          attacks_every_epochs: 0
        """

    private static let advMoEPaperMethod = """
        training:
          method: advmoe
          advmoe:
            order: router-first
            router_objective: trades
            beta: 6
            shared_batch: false
            router_optimizer: {rate: 0.1, momentum: 0.9, weight_decay: 5e-4}
            router_schedule: {name: cosine}
        """

    /// AdvMoE as its released code does it: one router on the image, which learns the label modulo the experts after the
    /// experts have moved, by the same batch; an attack on model and router at once; running statistics moved by every one of
    /// its passes, of AdvMoE and of TRADES; batch norm over the whole batch; wide ResNets that skip a batch norm by mistake;
    /// rates set once an epoch, a cosine that lags by one.
    private static let advMoECode = """
        model: {normalize: none, ratio: 0.5, skip_first_activation: true, initialization: advmoe}
        training:
          epochs: 100
          global_batch: 128
          seed: 1234
          optimizer: {rate: 0.1, momentum: 0.9, weight_decay: 5e-4}
          schedule: {name: cosine, per: epoch, lag_epochs: 1}
        attack: {name: pgd, epsilon: 8/255, step_size: 5/255, steps: 2, start: gaussian}
        distributed: {batch_norm: synchronized}
        evaluation:
          attacks:
            - {name: pgd, epsilon: 8/255, step_size: 2/255, steps: 50, start: uniform-unclamped}
          attacks_every_epochs: 0
        """

    private static let advMoECodeMixture = """
        moe: {kind: channel, scope: image, router: resnet20, experts: 2}
        evaluation:
          attacks:
            - {name: pgd, epsilon: 8/255, step_size: 2/255, steps: 50, start: uniform-unclamped}
            - {id: router-aware-10, name: pgd, epsilon: 8/255, step_size: 2/255, steps: 10, start: uniform-unclamped,
               objective: model-and-router-labels}
            - {id: router-only-10, name: pgd, epsilon: 8/255, step_size: 2/255, steps: 10, start: uniform-unclamped,
               objective: router-labels}
        """

    private static let advMoECodeMethod = """
        training:
          method: advmoe
          advmoe:
            order: experts-first
            router_objective: label-modulo
            beta: 6
            alpha: 6
            shared_batch: true
            statistics_updates: published
            router_optimizer: {rate: 0.1, momentum: 0.9, weight_decay: 5e-4}
            router_schedule: {name: cosine, per: epoch, lag_epochs: 1}
        attack: {objective: model-and-router-divergence}
        """
}

namespace Paas.Receiver.Manifests;

/// <summary>One step of a pipeline (reference 3.8).</summary>
/// <param name="Name">A deploy group, or one of the tools' own words.</param>
sealed record PipelineStep(string Name)
{
    static readonly HashSet<string> Tools = ["itest", "itest-and-push-to-registry", "security-check", "push-to-registry", "performance-check"];

    /// <summary>Every name that is no tool's is a deploy group.</summary>
    public bool Marks => !Tools.Contains(Name) && !Name.StartsWith("command-", StringComparison.Ordinal);

    /// <summary>Behind it the pipeline waits until somebody approves.</summary>
    public bool Manual { get; init; }

    /// <summary>The next step begins when this one's deployment has ended well; else when it is marked.</summary>
    public bool Waits { get; init; }

    /// <summary>A deployment that fails brings the mark before it back.</summary>
    public bool RollsBack { get; init; }

    public bool IgnoresFailure { get; init; }

    public bool Disabled { get; init; }
}

/// <summary>A service's <c>deploy.yaml</c>: stages in their order, the steps of one side by side. Immutable.</summary>
sealed record DeployPipeline(IReadOnlyList<IReadOnlyList<PipelineStep>> Stages, IReadOnlyList<string> AllowedPushGroups)
{
    const int MostSteps = 200;

    static readonly string[] StepKeys =
    [
        "step", "parallel", "trigger_next_step_manually", "display_step_for_confirmation", "confirmation_required", "disabled", "wait_for_deployment", "auto_rollback", "ignore_failure", "slack_notify",
        "notify_after_mark", "notify_after_good_deploy", "notify_after_auto_rollback", "notify_after_abort", "prompt_after_abandon", "confirm_complete", "enable_automated_redeploys",
        "alertmanager_rollback", "alertmanager_rollback_dry_run", "enable_crashloop_auto_rollback", "timeout", "warn", "auto_certify_delay", "auto_abandon_delay", "auto_rollback_delay",
        "alertmanager_poll_interval_s", "min_restarts_for_crashloop_rollback", "abandon_above_breakage_pct", "complete_below_breakage_pct", "crashloop_rollback_percentage_threshold",
        "command", "service_account", "deployment_steps",
    ];

    public IEnumerable<PipelineStep> Steps => Stages.SelectMany(stage => stage);

    /// <summary>Null where it is no pipeline; every mistake is noted. The schema is strict, as PaaSTA's is.</summary>
    public static DeployPipeline? Of(Node root, Mistakes mistakes)
    {
        if (Fields.Of(root, "", mistakes) is not { } fields)
        {
            return null;
        }

        var stages = fields.Sections("pipeline", required: true).Select(item => StageOf(item, mistakes)).Where(stage => stage.Count > 0).ToList();
        foreach (var same in stages.SelectMany(stage => stage).GroupBy(step => step.Name, StringComparer.Ordinal).Where(same => same.Count() > 1))
        {
            fields.Mistake("pipeline", $"{Mistakes.Quote(same.Key)} is there {same.Count()} times");
        }

        if (stages.Sum(stage => stage.Count) > MostSteps)
        {
            fields.Mistake("pipeline", $"more than {MostSteps} steps");
        }

        var groups = fields.List("allowed_push_groups").Select(item => fields.TextOf(item.Node, item.Path)).OfType<string>().ToList();
        foreach (var known in (string[])["production_deploy_group", "slack_channels", "slack_notify", "allow_no_verify_deploy", "default_deploy_strategy"])
        {
            fields.Take(known);
        }

        fields.NoOthers();
        return new DeployPipeline(stages, groups);
    }

    static IReadOnlyList<PipelineStep> StageOf(Fields item, Mistakes mistakes)
    {
        foreach (var key in StepKeys)
        {
            item.Take(key);
        }

        item.NoOthers();
        return item.Has("parallel") ? [.. item.Sections("parallel").SelectMany(step => StageOf(step, mistakes))] : StepOf(item) is { } one ? [one] : [];
    }

    static PipelineStep? StepOf(Fields item)
    {
        var name = item.Text("step", required: true);
        if (name is null)
        {
            return null;
        }

        if (name.Length is 0 or > 100 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
        {
            item.Mistake("step", $"{Mistakes.Quote(name)} is no step's name: letters, digits, '.', '_' and '-'");
        }

        return new PipelineStep(name)
        {
            Manual = item.Flag("trigger_next_step_manually"),
            Waits = item.Flag("wait_for_deployment") || item.Flag("auto_rollback"),
            RollsBack = item.Flag("auto_rollback"),
            IgnoresFailure = item.Flag("ignore_failure"),
            Disabled = item.Flag("disabled"),
        };
    }
}

using Paas.Receiver.Git;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Deployments;

/// <summary>Reference 3.4: from refs to what is wanted.</summary>
public class DesiredStateTests
{
    static readonly string A = new('a', 40);
    static readonly string B = new('b', 40);

    [Fact]
    public void The_newest_stamp_wins_whatever_came_last()
    {
        var state = State("", ("refs/tags/paasta-qa.main-20260102T000000-deploy", B), ("refs/tags/paasta-qa.main-20260101T000000-deploy", A), ("refs/tags/paasta-qa.main-00000000T000000-deploy", A));

        Assert.Equal(B, state.MarkOf("qa.main")?.Commit);
        Assert.Equal(["20260102T000000", "20260101T000000", "00000000T000000"], state.History("qa.main").Select(mark => mark.Stamp));
    }

    [Fact]
    public void A_rollback_tag_marks_nothing_and_is_remembered()
    {
        var state = State("", ("refs/tags/paasta-qa.main-20260101T000000-deploy", A), ("refs/tags/paasta-qa.main-20260102T000000-rollback", B));

        Assert.Equal(A, state.MarkOf("qa.main")?.Commit);
        Assert.True(state.WasRolledBack("qa.main", B));
        Assert.False(state.WasRolledBack("qa.main", A));
    }

    [Fact]
    public void A_stop_counts_on_the_marked_commit_only_and_a_later_start_takes_it_back()
    {
        var (mark, stop) = (("refs/tags/paasta-qa.main-20260101T000000-deploy", A), ("refs/tags/paasta-qa.main-20260101T000001-stop", A));
        var instance = new ServiceInstance("qa", "main", "qa.main");

        Assert.True(State("", mark).ControlOf(instance, A).Runs);
        Assert.False(State("", mark, stop).ControlOf(instance, A).Runs);
        Assert.Equal(new Control(A, true, "20260101T000002"), State("", mark, stop, ("refs/tags/paasta-paasta-qa.main-20260101T000002-start", A)).ControlOf(instance, A));
        Assert.True(State("", mark, stop, ("refs/tags/paasta-qa.main-20260102T000000-deploy", B)).ControlOf(instance, B).Runs);
        Assert.True(State("", mark, ("refs/tags/paasta-qa.main-20990101T000001-stop", B)).ControlOf(instance, A).Runs);
    }

    [Fact]
    public void Groups_come_from_the_files_of_the_clusters_and_templates_are_no_instances()
    {
        var config = Config(
            ("kubernetes-qa.yaml", "_template: &base {cpus: 1, ram: 5}\nmain: {<<: *base, deploy_group: '{cluster}.everything', instances: 2, env: {A: 1}}\nworker: {cmd: [sleep, it's], max_instances: 9, min_instances: 3}\n"),
            ("marathon-PROD.yaml", "main: {deploy_group: prod}\n"),
            ("adhoc-qa.yaml", "remote: {}\n"));

        Assert.Equal(["qa.everything", "qa.worker", "prod"], config.Instances.Select(instance => instance.DeployGroup));
        Assert.Equal(["qa.main", "qa.worker", "prod.main"], config.Instances.Select(instance => instance.FullName));
        Assert.Equal((2, "1"), (config.Instances[0].Quantity, config.Instances[0].Environment["A"]));
        Assert.Equal((3, @"'sleep' 'it'\''s'"), (config.Instances[1].Quantity, config.Instances[1].Command));
    }

    [Fact]
    public void Without_any_configuration_a_group_names_its_environment()
    {
        var state = State("", ("refs/tags/paasta-qa.everything-20260101T000000-deploy", A), ("refs/tags/paasta-qa.web-20260101T000001-stop", A), ("refs/tags/v1.2-3-stop", A));

        Assert.Equal(["qa.everything", "qa.web"], state.Instances.Select(instance => instance.FullName));
        Assert.All(state.Instances, instance => Assert.Equal("qa.everything", instance.DeployGroup));
    }

    [Fact]
    public void A_pipeline_has_stages_in_order_and_every_other_name_is_a_group()
    {
        var pipeline = Config(("deploy.yaml", """
            pipeline:
              - step: itest
              - step: command-thing
                command: x
              - parallel:
                  - step: dev.a
                    wait_for_deployment: true
                  - step: dev.b
                    auto_rollback: true
              - step: prod.canary
                trigger_next_step_manually: true
              - {step: prod.rest, timeout: 10}
            allowed_push_groups: [ops]
            """)).Pipeline!;

        Assert.Equal(["itest", "command-thing", "dev.a+dev.b", "prod.canary", "prod.rest"], pipeline.Stages.Select(stage => string.Join('+', stage.Select(step => step.Name))));
        Assert.Equal(["dev.a", "dev.b", "prod.canary", "prod.rest"], pipeline.Steps.Where(step => step.Marks).Select(step => step.Name));
        Assert.True(pipeline.Stages[3][0].Manual);
        Assert.True(pipeline.Stages[2][1] is { Waits: true, RollsBack: true });
    }

    [Theory]
    [InlineData("deploy.yaml", "pipeline: [{step: x, oops: 1}]", "oops")]
    [InlineData("deploy.yaml", "other: 1", "pipeline")]
    [InlineData("deploy.yaml", "pipeline: [{step: a}, {step: a}]", "2 times")]
    [InlineData("kubernetes-qa.yaml", "Main: {}", "no instance's name")]
    [InlineData("kubernetes-qa.yaml", "main: {deploy_group: 'a b'}", "deploy group")]
    [InlineData("kubernetes-qa.yaml", "main: {bounce_method: crosover}", "did you mean 'crossover'?")]
    [InlineData("kubernetes-qa.yaml", "main: {bounce_margin_factor: 0}", "'0' is not a number above 0 and at most 1")]
    [InlineData("smartstack.yaml", "main: {proxy_port: 70000}", "proxy_port")]
    [InlineData("smartstack.yaml", "main: {proxy_port: 4000}\nother: {proxy_port: 4000}", "4000 is main's already")]
    [InlineData("smartstack.yaml", "main: 4000", "main")]
    [InlineData("kubernetes-qa.yaml", "- main", "a mapping was expected")]
    [InlineData("kubernetes-qa.yaml", "main: [", "has a mistake")]
    public void A_file_with_a_mistake_is_refused_with_its_line(string file, string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<Refusal>(() => Config((file, text))).Message, StringComparison.Ordinal);

    [Fact]
    public void Namespaces_with_a_port_are_met_and_registrations_say_who_is_behind_them()
    {
        var config = Config(
            ("smartstack.yaml", "main: {proxy_port: 20001, mode: http, timeout_server_ms: 5000}\ndiscovery: {proxy_port: null}\nraw: {proxy_port: 20002, mode: tcp}\nnone: {}\n"),
            ("kubernetes-qa.yaml", "main: {}\ncanary: {registrations: [hello.main, other.main]}\nold: {nerve_ns: main}\nworker: {}\n"));

        Assert.Equal([new ServicePort("main", 20001)], config.Ports);
        Assert.Equal(["main", "main", "main", "worker"], config.Instances.Select(instance => Assert.Single(instance.Namespaces)));
    }

    [Fact]
    public void How_a_service_changes_over_is_read_from_its_configuration()
    {
        var instances = Config(("kubernetes-qa.yaml", "main: {bounce_method: upthendown, bounce_margin_factor: 0.7}\nworker: {}\n")).Instances;

        Assert.Equal([(Paas.Receiver.Manifests.Strategy.UpThenDown, 0.7m), (null, null)], instances.Select(one => (one.Bounce, one.BounceMargin)));
    }

    static ServiceConfig Config(params (string Name, string Text)[] files) => ServiceConfig.Read([.. files.Select(file => new ProjectFile(file.Name, file.Text))], ProjectName.Parse("hello"));

    static DesiredState State(string kubernetesQa, params (string Ref, string Commit)[] refs) => new(
        [.. refs.Select(one => new Marked(one.Ref, MarkRef.TryParse(one.Ref)!, one.Commit, MarkRef.TryParse(one.Ref)!.Stamp))],
        kubernetesQa.Length == 0 ? ServiceConfig.None : Config(("kubernetes-qa.yaml", kubernetesQa)));
}

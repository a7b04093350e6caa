using Paas.Receiver.Deployments;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Telemetry;

/// <summary>One value, with what tells it from the others of its family.</summary>
/// <param name="Suffix"><c>_sum</c> or <c>_count</c> of a summary; else empty.</param>
sealed record Sample(double Value, IReadOnlyList<(string Name, string Value)> Labels, string Suffix = "");

/// <summary>One thing that is measured: what Prometheus calls a metric family.</summary>
/// <param name="Type"><c>counter</c>, <c>gauge</c> or <c>summary</c>.</param>
sealed record Family(string Name, string Type, string Help, IReadOnlyList<Sample> Samples);

/// <summary>What the receiver measures, as of now. Names and units are Prometheus's: seconds, bytes, <c>_total</c> for what only grows.</summary>
/// <param name="root"><c>PAAS_ROOT</c>.</param>
sealed class Measurements(string root, Database database, ProjectStore projects, Fleet fleet, Visitors visitors, TimeProvider time)
{
    static readonly double[] Quantiles = [0.5, 0.95, 0.99];

    readonly double started = time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    readonly Lock gate = new();
    long? readAt;
    IReadOnlyList<Family> last = [];

    /// <summary>Not older than a second, however often it is asked for.</summary>
    public IReadOnlyList<Family> Recent()
    {
        lock (gate)
        {
            if (readAt is null || time.GetElapsedTime(readAt.Value) > TimeSpan.FromSeconds(1))
            {
                (last, readAt) = (Read(), time.GetTimestamp());
            }

            return last;
        }
    }

    public IReadOnlyList<Family> Read()
    {
        var running = projects.List().SelectMany(project => fleet.Running(project).SelectMany(release => fleet.Status(project, release).Select(instance => (project, instance)))).ToList();
        var traffic = projects.List().SelectMany(project => visitors.TrafficOf(project).Select(one => (project, one.Type, one.Traffic))).ToList();
        var disk = new DriveInfo(root);
        var steps = Rows("SELECT name AS First, COUNT(*) AS Count, SUM((julianday(finished_at) - julianday(started_at)) * 86400.0) AS Sum FROM steps WHERE finished_at IS NOT NULL GROUP BY name ORDER BY name");
        return
        [
            new("paas_deployments_total", "counter", "Deployments that ended, by kind and outcome.",
                [.. Rows("SELECT kind AS First, outcome AS Second, COUNT(*) AS Count FROM deployments WHERE state = 'finished' GROUP BY kind, outcome ORDER BY kind, outcome").Select(row => new Sample(row.Count, [("kind", row.First), ("outcome", row.Second ?? "")]))]),
            new("paas_deployment_queue_length", "gauge", "Deployments that are not over, by state.",
                [.. ((string[])["running", "waiting"]).Select(state => new Sample(database.ReadOne<long>("SELECT COUNT(*) FROM deployments WHERE state = @state", new { state }), [("state", state)]))]),
            new("paas_step_duration_seconds", "summary", "How long the steps of deployments took, by name.",
                [.. steps.SelectMany(row => (Sample[])[new Sample(Math.Max(0, row.Sum), [("step", row.First)], "_sum"), new Sample(row.Count, [("step", row.First)], "_count")])]),
            new("paas_instances", "gauge", "Instances that are wanted, by process type and whether they are healthy.",
                [.. running.GroupBy(one => (one.project, one.instance.Type, one.instance.Healthy)).OrderBy(group => group.Key.project.Key, StringComparer.Ordinal)
                    .Select(group => new Sample(group.Count(), [.. Of(group.Key.project), ("type", group.Key.Type), ("healthy", group.Key.Healthy ? "true" : "false")]))]),
            new("paas_instance_crashes", "gauge", "How often the instances that are wanted now have crashed in a row, by process type.",
                [.. running.GroupBy(one => (one.project, one.instance.Type)).OrderBy(group => group.Key.project.Key, StringComparer.Ordinal)
                    .Select(group => new Sample(group.Sum(one => one.instance.Crashes), [.. Of(group.Key.project), ("type", group.Key.Type)]))]),
            new("paas_requests_total", "counter", "Answers that visitors got, by class of status.",
                [.. traffic.SelectMany(one => one.Traffic.Classes.Select((count, i) => new Sample(count, [.. Of(one.project), ("type", one.Type), ("class", $"{i + 1}xx")])))]),
            new("paas_request_duration_seconds", "summary", "How long visitors waited for their answers since the receiver started.",
                [.. traffic.SelectMany(one => (Sample[])
                [
                    .. Quantiles.Select(quantile => new Sample(one.Traffic.Percentile(quantile * 100).TotalSeconds, [.. Of(one.project), ("type", one.Type), ("quantile", quantile.ToString(System.Globalization.CultureInfo.InvariantCulture))])),
                    new Sample(one.Traffic.Requests, [.. Of(one.project), ("type", one.Type)], "_count"),
                ])]),
            new("paas_projects", "gauge", "Projects.", [new Sample(projects.List().Count, [])]),
            new("paas_disk_free_bytes", "gauge", "Bytes that are free under PAAS_ROOT.", [new Sample(disk.AvailableFreeSpace, [])]),
            new("paas_disk_size_bytes", "gauge", "Bytes of the file system under PAAS_ROOT.", [new Sample(disk.TotalSize, [])]),
            new("paas_start_time_seconds", "gauge", "When the receiver was started, seconds since 1970.", [new Sample(started, [])]),
        ];
    }

    IReadOnlyList<Row> Rows(string sql) => database.Read<Row>(sql);

    static (string, string)[] Of(Project project) => [("environment", project.Environment.Name.Value), ("project", project.Name.Value)];

    sealed class Row
    {
        public string First { get; set; } = "";

        public string? Second { get; set; }

        public long Count { get; set; }

        public double Sum { get; set; }
    }
}

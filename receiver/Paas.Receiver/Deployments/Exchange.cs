using System.Threading.Channels;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.Deployments;

/// <summary>Takes instances out of a release that serves while those of the next one become healthy, as <see cref="Bounce"/> says. Starts nothing and waits for no drain.</summary>
/// <param name="types">Of the next release.</param>
/// <param name="deadline">Of each drain.</param>
sealed class Exchange(Release old, Release next, decimal margin, IReadOnlyList<ProcessType> types, Fleet fleet, Visitors visitors, TimeSpan deadline)
{
    readonly List<Task> leaving = [];

    /// <summary>Completes when every instance that was taken out has ended.</summary>
    public Task Gone => Task.WhenAll(leaving);

    /// <summary>False where each type has so few old instances that none goes before the new release is the live one.</summary>
    public bool HasWork => Bounces().Any(bounce => OldOnes(bounce.Type).Count > 1);

    /// <summary>Until every instance of the next release is healthy, or the first is not.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        // Told a hundred times while it looks, it looks once more.
        var changes = Channel.CreateBounded<ReleaseId>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void Hear(Project project, ReleaseId id)
        {
            if (project.Key == next.Project.Key)
            {
                changes.Writer.TryWrite(id);
            }
        }

        fleet.Changed += Hear;
        try
        {
            var whole = fleet.HealthyAsync(next.Project, next.Id, ct);
            do
            {
                Move();
            }
            while (await Task.WhenAny(whole, changes.Reader.ReadAsync(ct).AsTask()) != whole && !ct.IsCancellationRequested);

            if ((await whole).IsHealthy)
            {
                Move();
            }
        }
        finally
        {
            fleet.Changed -= Hear;
        }
    }

    /// <summary>Those that only one of the two has, or only the live one may have, change over with the release as a whole.</summary>
    IEnumerable<(string Type, Bounce Bounce)> Bounces() =>
        types.Where(type => !type.Exclusive && type.Quantity > 0).Select(type => (type.Name, new Bounce(Bounce.Method.Crossover, type.Quantity, margin) { LastStays = true }));

    List<Bounce.Old> OldOnes(string type) =>
        [.. fleet.Status(old.Project, old.Id).Where(one => one.Type == type).Select(one => new Bounce.Old(one.Number, one.Healthy))];

    void Move()
    {
        foreach (var (type, bounce) in Bounces())
        {
            var young = fleet.Status(next.Project, next.Id).Where(one => one.Type == type).ToList();
            var move = bounce.Next(young.Count, young.Count(one => one.Healthy), OldOnes(type));
            if (move.Drains.Count > 0)
            {
                leaving.Add(fleet.GiveUp(old.Project, old.Id, type, [.. move.Drains], (kind, leavers) => visitors.DrainAsync(old, kind, leavers, deadline)));
            }
        }
    }
}

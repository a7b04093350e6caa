using Xunit;

namespace Paas.Receiver.Processes;

public class ExitWatchTests
{
    [Fact]
    public async Task An_end_is_told_to_all_who_wait_and_to_none_before()
    {
        await using var child = new Command("/bin/cat").Start();

        var waiting = Enumerable.Range(0, 3).Select(_ => ExitWatch.Of(child.Id)).ToList();
        Assert.DoesNotContain(waiting, gone => gone.IsCompleted);
        child.Input.Close();

        await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(20));
        await child.WaitAsync();
        Assert.True(ExitWatch.Of(child.Id).IsCompleted);
    }

    [Fact]
    public async Task Ends_are_not_mixed_up_while_many_processes_start_and_end()
    {
        // Descriptors are used again at once, and a process that is being forked holds all of them for a moment.
        await using var stays = new Command("/bin/cat").Start();
        var stayed = ExitWatch.Of(stays.Id);

        await Parallel.ForEachAsync(Enumerable.Range(0, 300), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
        {
            await using var child = new Command("/bin/cat").Start();
            var gone = ExitWatch.Of(child.Id);
            Assert.False(gone.IsCompleted);
            child.Input.Close();
            await gone.WaitAsync(TimeSpan.FromSeconds(60));
        });

        Assert.False(stayed.IsCompleted);
        stays.Input.Close();
        await stayed.WaitAsync(TimeSpan.FromSeconds(20));
    }
}

namespace Paas.Receiver.Diagnostics;

/// <summary>
/// Looks over the whole receiver: the machine it is on, what it keeps on disk held against what its journal says, and what it serves. Looking changes nothing; with
/// <see cref="Examination.Fix"/> it puts right what is safe, and says so. One check that cannot be made is a finding, and the others go on.
/// </summary>
sealed class Doctor(MachineChecks machine, RecordChecks records, ServiceChecks serving, LeftoverChecks leftovers, HostChecks hosts)
{
    /// <summary>Every finding, in the order of the checks.</summary>
    public async Task<IReadOnlyList<Diagnosis>> ExamineAsync(Examination examination, CancellationToken ct)
    {
        (string Area, Func<IAsyncEnumerable<Diagnosis>> Look)[] checks =
        [
            ("disk", () => machine.DiskAsync(ct)),
            ("kernel", machine.KernelAsync),
            ("programs", () => machine.ProgramsAsync(ct)),
            ("permissions", () => machine.PermissionsAsync(examination)),
            ("clock", () => machine.ClockAsync(ct)),
            ("ports", () => serving.PortsAsync(ct)),
            ("certificates", serving.CertificatesAsync),
            ("containers", () => serving.ContainersAsync(examination, ct)),
            ("images", () => leftovers.ImagesAsync(examination, ct)),
            ("groups", () => leftovers.GroupsAsync(examination)),
            ("registry", () => serving.BackgroundAsync(ct)),
            ("hosts", () => hosts.LookAsync(ct)),
            ("database", records.DatabaseAsync),
            ("journal", records.JournalAsync),
            ("space", records.SpaceAsync),
            ("files", () => records.FilesAsync(examination)),
            ("trees", () => records.TreesAsync(examination, ct)),
            ("repositories", () => examination.Repositories ? records.RepositoriesAsync(ct) : AsyncEnumerable.Empty<Diagnosis>()),
        ];
        var findings = new List<Diagnosis>();
        foreach (var (area, look) in checks)
        {
            try
            {
                await foreach (var finding in look())
                {
                    ct.ThrowIfCancellationRequested();
                    findings.Add(finding);
                }
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                // A machine that is ill enough breaks the looking too; the rest is still worth knowing.
                findings.Add(new Diagnosis(area, Severity.Problem, $"could not be looked at: {e.Message}"));
            }
        }

        return findings;
    }
}

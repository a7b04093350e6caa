using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Paas.Receiver.Access;
using Paas.Receiver.Contract;
using Paas.Receiver.Diagnostics;

namespace Paas.Receiver.Api;

/// <summary>The receiver's own health, seen from inside: looking for whoever may oversee it, mending for administrators.</summary>
static class DoctorEndpoints
{
    public static void MapDoctor(this RouteGroupBuilder api)
    {
        api.MapGet("/doctor", async (bool? repositories, HttpContext context, Desk desk, Doctor doctor) =>
        {
            desk.Allowed(context, Permission.SystemOverview);
            return Shown(await doctor.ExamineAsync(new Examination(Repositories: repositories ?? false), context.RequestAborted));
        }).WithName("doctor.examine");

        api.MapPost("/doctor", async (DoctorOrder order, HttpContext context, Desk desk, Doctor doctor) =>
        {
            desk.Administrator(context);
            return Shown(await doctor.ExamineAsync(new Examination(Fix: true, order.Repositories), context.RequestAborted));
        }).WithName("doctor.fix");
    }

    static Ok<DoctorReport> Shown(IReadOnlyList<Diagnosis> findings) => TypedResults.Ok(new DoctorReport(
        findings.All(finding => finding.Severity < Severity.Warning),
        [.. findings.Select(finding => new DoctorFinding(finding.Area, JsonNamingPolicy.CamelCase.ConvertName(finding.Severity.ToString()), finding.Message, finding.Remedy))]));
}
